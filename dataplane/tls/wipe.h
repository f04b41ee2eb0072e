// Wipe: overwrites a secret so that the compiler cannot leave it out.
#ifndef MELTEMI_DATAPLANE_TLS_WIPE_H_
#define MELTEMI_DATAPLANE_TLS_WIPE_H_

#include <cstddef>
#include <cstring>

namespace meltemi::tls {

inline void Wipe(void* bytes, size_t n) {
  std::memset(bytes, 0, n);
  asm volatile("" : : "r"(bytes) : "memory");  // somebody might look: the stores must happen
}

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_WIPE_H_
