// HeapBufferPool: a BufferPool on the heap for tests and fuzz targets of l7/ alone. It counts what
// is out, so that a test can end with EXPECT_EQ(pool.outstanding(), 0).
#ifndef MELTEMI_L7_BASE_HEAP_BUFFER_POOL_H_
#define MELTEMI_L7_BASE_HEAP_BUFFER_POOL_H_

#include <cstdint>

#include "l7/base/slice.h"

namespace meltemi {

class HeapBufferPool final : public BufferPool {
 public:
  explicit HeapBufferPool(uint32_t allocation_max = 2048, uint64_t buffer_count_max = UINT64_MAX)
      : allocation_max_(allocation_max), buffer_count_max_(buffer_count_max) {}
  ~HeapBufferPool() override { CHECK(outstanding_ == 0); }

  Slice Allocate(uint32_t size) override {
    CHECK(size > 0 && size <= allocation_max_);
    if (outstanding_ >= buffer_count_max_) return Slice();
    auto* memory = new uint8_t[size];
    auto* buffer = new Buffer{.memory = memory, .capacity = size, .refs = 0, .pool = this};
    ++outstanding_;
    return Slice(buffer, memory, size);
  }
  uint32_t allocation_max() const override { return allocation_max_; }
  void Release(Buffer* buffer) override {
    --outstanding_;
    delete[] buffer->memory;
    delete buffer;
  }

  uint64_t outstanding() const { return outstanding_; }

 private:
  const uint32_t allocation_max_;
  const uint64_t buffer_count_max_;
  uint64_t outstanding_ = 0;
};

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_HEAP_BUFFER_POOL_H_
