// Pointers of six bytes, for the lines of a connection that every packet touches (conn.h): alone,
// or with 16 bits of something else, which costs less to read. x86-64 Linux gives a process
// addresses below 2^47 only, unless it asks for more.
#ifndef MELTEMI_DATAPLANE_TCP_SHORT_POINTER_H_
#define MELTEMI_DATAPLANE_TCP_SHORT_POINTER_H_

#include <cstdint>
#include <cstring>

#include "l7/base/check.h"

namespace meltemi::tcp {

template <typename T>
class ShortPointer {
 public:
  ShortPointer() = default;
  // Implicit, both ways: it is a pointer.
  ShortPointer(T* p) {
    const auto bits = reinterpret_cast<uintptr_t>(p);
    CHECK(bits >> 48 == 0);
    std::memcpy(parts_, &bits, sizeof(parts_));
  }
  operator T*() const {
    uint32_t low = 0;
    std::memcpy(&low, parts_, sizeof(low));
    return reinterpret_cast<T*>(uintptr_t{parts_[2]} << 32 | low);
  }
  T* operator->() const { return *this; }

 private:
  uint16_t parts_[3] = {};  // the lowest first
};
static_assert(sizeof(ShortPointer<int>) == 6);

template <typename T>
class PointerAndRest {
 public:
  PointerAndRest() = default;
  PointerAndRest(const PointerAndRest&) = delete;
  PointerAndRest& operator=(T* p) {  // the rest stays
    const auto bits = reinterpret_cast<uintptr_t>(p);
    CHECK(bits >> 48 == 0);
    word_ = bits << 16 | (word_ & 0xffff);
    return *this;
  }
  operator T*() const { return reinterpret_cast<T*>(word_ >> 16); }
  T* operator->() const { return *this; }

  uint16_t rest() const { return static_cast<uint16_t>(word_); }
  void SetRest(uint16_t rest) { word_ = (word_ & ~uint64_t{0xffff}) | rest; }

 private:
  uint64_t word_ = 0;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SHORT_POINTER_H_
