// Buffer, Slice, Chain: counted memory and views of it. Bytes travel from the port through TCP and
// L7 and out again as Slices of the same Buffer: no copy. l7/ does not know what a Buffer is made
// of: in production and in tests it is the data room of an rte_mbuf (dataplane/packet).
//
// Thread: all counts are plain integers; a Buffer and every Slice of it live on one worker.
// Bound: the pool's size. Allocation can fail: Allocate returns an empty Slice, counted by the
// pool.
#ifndef MELTEMI_L7_BASE_SLICE_H_
#define MELTEMI_L7_BASE_SLICE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "l7/base/check.h"

namespace meltemi {

class BufferPool;

// The counted part of one piece of memory. Lives beside the memory, owned by the pool.
struct Buffer {
  uint8_t* memory = nullptr;   // first byte of the room
  uint32_t capacity = 0;       // bytes of room
  uint32_t refs = 0;           // Slices that view it
  BufferPool* pool = nullptr;  // where it goes when refs becomes 0
};

// A counted view of bytes. Copying it counts one more reference, no bytes move.
class Slice {
 public:
  Slice() = default;
  // Adopts nothing: adds a reference to `buffer`.
  Slice(Buffer* buffer, uint8_t* data, uint32_t size) : buffer_(buffer), data_(data), size_(size) {
    ++buffer_->refs;
  }
  Slice(const Slice& other) : buffer_(other.buffer_), data_(other.data_), size_(other.size_) {
    if (buffer_ != nullptr) ++buffer_->refs;
  }
  Slice(Slice&& other) noexcept
      : buffer_(std::exchange(other.buffer_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Slice& operator=(Slice other) noexcept {
    Swap(&other);
    return *this;
  }
  void Swap(Slice* other) {
    std::swap(buffer_, other->buffer_);
    std::swap(data_, other->data_);
    std::swap(size_, other->size_);
  }
  ~Slice();

  const uint8_t* data() const { return data_; }
  uint8_t* mutable_data() const {
    return data_;
  }  // the caller knows: nobody else reads these bytes
  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Buffer* buffer() const { return buffer_; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }

  void RemovePrefix(uint32_t n) {
    CHECK(n <= size_);
    data_ += n;
    size_ -= n;
  }
  void RemoveSuffix(uint32_t n) {
    CHECK(n <= size_);
    size_ -= n;
  }
  // Takes in room of its buffer around it, which nobody else views.
  void Widen(uint32_t before, uint32_t behind) {
    CHECK(buffer_->refs == 1 && before <= front_room() && behind <= back_room());
    data_ -= before;
    size_ += before + behind;
  }
  uint32_t front_room() const { return static_cast<uint32_t>(data_ - buffer_->memory); }
  uint32_t back_room() const { return buffer_->capacity - front_room() - size_; }
  // The part [offset, offset + n), counted on its own.
  Slice Sub(uint32_t offset, uint32_t n) const {
    CHECK(offset <= size_ && n <= size_ - offset);
    return n == 0 ? Slice() : Slice(buffer_, data_ + offset, n);
  }

 private:
  Buffer* buffer_ = nullptr;
  uint8_t* data_ = nullptr;
  uint32_t size_ = 0;
};

// A node of a Chain; taken from and given back to the pool of its slice's buffer.
struct ChainNode {
  Slice slice;
  ChainNode* next = nullptr;
};
// The node's slice; the node itself is given back.
inline Slice TakeSlice(ChainNode* node);
// Bytes [offset, offset + n) of the list that begins with `node`, which has so many.
void CopyBytes(const ChainNode* node, size_t offset, size_t n, uint8_t* out);

// Where Buffers come from and go to. One per worker. Implemented by dataplane/packet's PacketPool
// and, for tests of l7/ alone, by HeapBufferPool (l7/base/heap_buffer_pool.h).
class BufferPool {
 public:
  // A slice of `size` writable bytes in one piece; size <= allocation_max(). Empty when exhausted.
  virtual Slice Allocate(uint32_t size) = 0;
  virtual uint32_t allocation_max() const = 0;
  // refs has become 0. Called by ~Slice only.
  virtual void Release(Buffer* buffer) = 0;

  // Chain nodes: a free list that grows by blocks and is kept; after warm-up no heap.
  ChainNode* TakeNode() {
    if (free_nodes_ == nullptr) GrowNodes();
    ChainNode* node = free_nodes_;
    free_nodes_ = node->next;
    node->next = nullptr;
    return node;
  }
  void GiveNode(ChainNode* node) {
    node->next = free_nodes_;
    free_nodes_ = node;
  }

 protected:
  BufferPool() = default;
  virtual ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

 private:
  struct NodeBlock;
  void GrowNodes();
  ChainNode* free_nodes_ = nullptr;
  NodeBlock* node_blocks_ = nullptr;
};

inline Slice::~Slice() {
  if (buffer_ != nullptr && --buffer_->refs == 0) buffer_->pool->Release(buffer_);
}

inline Slice TakeSlice(ChainNode* node) {
  Slice slice = std::move(node->slice);
  slice.buffer()->pool->GiveNode(node);
  return slice;
}

// An ordered sequence of non-empty slices. Move-only; Share() makes a counted copy.
class Chain {
 public:
  Chain() = default;
  explicit Chain(Slice&& slice) { Append(std::move(slice)); }
  explicit Chain(const Slice& slice) { Append(slice); }
  Chain(Chain&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)),
        tail_(std::exchange(other.tail_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Chain& operator=(Chain&& other) noexcept {
    if (this != &other) {
      Clear();
      head_ = std::exchange(other.head_, nullptr);
      tail_ = std::exchange(other.tail_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;
  ~Chain() { Clear(); }

  size_t size() const { return size_; }  // bytes
  bool empty() const { return size_ == 0; }
  size_t slice_count() const;
  bool one_slice() const { return head_ != nullptr && head_ == tail_; }
  const Slice& front() const {
    CHECK(head_ != nullptr);
    return head_->slice;
  }
  // Walk: for (const ChainNode* n = chain.head(); n != nullptr; n = n->next) use(n->slice).
  const ChainNode* head() const { return head_; }
  // The nodes, first and last, are the caller's, and this chain is empty.
  std::pair<ChainNode*, ChainNode*> TakeNodes() {
    size_ = 0;
    return {std::exchange(head_, nullptr), std::exchange(tail_, nullptr)};
  }

  // What every small message passes is inline: a call costs more than what is done.
  void Append(Slice&& slice);  // an empty slice is ignored
  void Append(const Slice& slice) { Append(Slice(slice)); }
  void Append(Chain&& other);
  void Prepend(Slice slice);
  Slice PopFront();  // the first slice, whole
  // The first slice takes in room around it: Slice::Widen.
  void WidenFront(uint32_t before, uint32_t behind) {
    head_->slice.Widen(before, behind);
    size_ += before + behind;
  }
  void RemovePrefix(size_t n);  // n <= size()
  void RemoveSuffix(size_t n);  // n <= size()
  // The first n bytes leave this chain; n <= size().
  Chain TakePrefix(size_t n) { return n == size_ ? std::move(*this) : TakePart(n); }
  // A counted copy of bytes [offset, offset + n).
  Chain Share(size_t offset, size_t n) const;
  // Inline: most chains that end were moved from.
  void Clear() {
    if (head_ != nullptr) ClearNodes();
  }

  void CopyTo(size_t offset, size_t n, uint8_t* out) const;  // offset + n <= size()
  std::string ToString() const;                              // tests and dumps

 private:
  void ClearNodes();
  void RemoveNodesBefore(size_t n);
  void RemoveNodesBehind(size_t n);
  Chain TakePart(size_t n);

  ChainNode* head_ = nullptr;
  ChainNode* tail_ = nullptr;
  size_t size_ = 0;
};

inline void Chain::Append(Slice&& slice) {
  if (slice.empty()) return;
  ChainNode* node = slice.buffer()->pool->TakeNode();
  size_ += slice.size();
  slice.Swap(&node->slice);  // a free node's is empty
  (tail_ != nullptr ? tail_->next : head_) = node;
  tail_ = node;
}

inline void Chain::Append(Chain&& other) {
  if (other.head_ == nullptr) return;
  (tail_ != nullptr ? tail_->next : head_) = std::exchange(other.head_, nullptr);
  tail_ = std::exchange(other.tail_, nullptr);
  size_ += std::exchange(other.size_, 0);
}

inline void Chain::RemovePrefix(size_t n) {
  if (head_ == nullptr || n >= head_->slice.size()) return RemoveNodesBefore(n);
  head_->slice.RemovePrefix(static_cast<uint32_t>(n));
  size_ -= n;
}

inline void Chain::RemoveSuffix(size_t n) {
  if (tail_ == nullptr || n >= tail_->slice.size()) return RemoveNodesBehind(n);
  tail_->slice.RemoveSuffix(static_cast<uint32_t>(n));
  size_ -= n;
}

// Copies `bytes` into new buffers of `pool`, appended to `out`. False (and `out` unchanged) when
// the pool is exhausted.
bool AppendCopy(BufferPool* pool, std::string_view bytes, Chain* out);

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_SLICE_H_
