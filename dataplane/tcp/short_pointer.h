// ShortPointer: a pointer in six bytes, for the lines of a connection that every packet touches
// (conn.h). x86-64 Linux gives a process addresses below 2^47 only, unless it asks for more.
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

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SHORT_POINTER_H_
