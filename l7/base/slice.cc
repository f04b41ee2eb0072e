#include "l7/base/slice.h"

#include <algorithm>
#include <array>

namespace meltemi {

struct BufferPool::NodeBlock {
  std::array<ChainNode, 256> nodes;
  NodeBlock* next = nullptr;
};

void BufferPool::GrowNodes() {
  // Owned by the free list of blocks, given back in the destructor: no smart pointer fits a
  // structure that hands out its parts.
  auto* block = new NodeBlock;
  block->next = node_blocks_;
  node_blocks_ = block;
  for (ChainNode& node : block->nodes) GiveNode(&node);
}

BufferPool::~BufferPool() {
  while (node_blocks_ != nullptr) {
    NodeBlock* next = node_blocks_->next;
    delete node_blocks_;
    node_blocks_ = next;
  }
}

void Chain::Prepend(Slice slice) {
  if (slice.empty()) return;
  ChainNode* node = slice.buffer()->pool->TakeNode();
  size_ += slice.size();
  node->slice = std::move(slice);
  node->next = head_;
  head_ = node;
  if (tail_ == nullptr) tail_ = node;
}

Slice Chain::PopFront() {
  CHECK(head_ != nullptr);
  ChainNode* node = head_;
  head_ = node->next;
  if (head_ == nullptr) tail_ = nullptr;
  Slice slice = TakeSlice(node);
  size_ -= slice.size();
  return slice;
}

void Chain::RemoveNodesBefore(size_t n) {
  CHECK(n <= size_);
  while (n > 0) {
    if (head_->slice.size() <= n) {
      n -= head_->slice.size();
      PopFront();
    } else {
      head_->slice.RemovePrefix(static_cast<uint32_t>(n));
      size_ -= n;
      n = 0;
    }
  }
}

void Chain::RemoveNodesBehind(size_t n) {
  CHECK(n <= size_);
  Chain rest = TakePrefix(size_ - n);
  *this = std::move(rest);
}

// n < size_: the last slice stays, or a part of it.
Chain Chain::TakePart(size_t n) {
  CHECK(n < size_);
  Chain taken;
  ChainNode* last = nullptr;
  ChainNode* rest = head_;
  for (; rest->slice.size() <= n; rest = rest->next) {
    n -= rest->slice.size();
    taken.size_ += rest->slice.size();
    last = rest;
  }
  if (last != nullptr) {
    taken.head_ = std::exchange(head_, rest);
    taken.tail_ = last;
    last->next = nullptr;
  }
  if (n > 0) {
    taken.Append(rest->slice.Sub(0, static_cast<uint32_t>(n)));
    rest->slice.RemovePrefix(static_cast<uint32_t>(n));
  }
  size_ -= taken.size_;
  return taken;
}

Chain Chain::Share(size_t offset, size_t n) const {
  CHECK(offset <= size_ && n <= size_ - offset);
  Chain copy;
  for (const ChainNode* node = head_; node != nullptr && n > 0; node = node->next) {
    const size_t have = node->slice.size();
    if (offset >= have) {
      offset -= have;
      continue;
    }
    const size_t part = std::min(n, have - offset);
    copy.Append(node->slice.Sub(static_cast<uint32_t>(offset), static_cast<uint32_t>(part)));
    offset = 0;
    n -= part;
  }
  return copy;
}

void Chain::ClearNodes() {
  for (ChainNode* node = head_; node != nullptr;) {
    TakeSlice(std::exchange(node, node->next));
  }
  head_ = tail_ = nullptr;
  size_ = 0;
}

size_t Chain::slice_count() const {
  size_t count = 0;
  for (const ChainNode* node = head_; node != nullptr; node = node->next) ++count;
  return count;
}

void Chain::CopyTo(size_t offset, size_t n, uint8_t* out) const {
  CHECK(offset <= size_ && n <= size_ - offset);
  CopyBytes(head_, offset, n, out);
}

void CopyBytes(const ChainNode* node, size_t offset, size_t n, uint8_t* out) {
  for (; n > 0; node = node->next) {
    const size_t have = node->slice.size();
    if (offset >= have) {
      offset -= have;
      continue;
    }
    const size_t part = std::min(n, have - offset);
    std::memcpy(out, node->slice.data() + offset, part);
    out += part;
    offset = 0;
    n -= part;
  }
}

std::string Chain::ToString() const {
  std::string text;
  for (const ChainNode* node = head_; node != nullptr; node = node->next) {
    text += node->slice.view();
  }
  return text;
}

bool AppendCopy(BufferPool* pool, std::string_view bytes, Chain* out) {
  Chain copy;
  while (!bytes.empty()) {
    const auto part = static_cast<uint32_t>(std::min<size_t>(bytes.size(), pool->allocation_max()));
    Slice slice = pool->Allocate(part);
    if (slice.empty()) return false;
    std::memcpy(slice.mutable_data(), bytes.data(), part);
    bytes.remove_prefix(part);
    copy.Append(std::move(slice));
  }
  out->Append(std::move(copy));
  return true;
}

}  // namespace meltemi
