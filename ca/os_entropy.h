// Bytes from the kernel: the CA's only source of chance besides OpenSSL's own.
#ifndef MELTEMI_CA_OS_ENTROPY_H_
#define MELTEMI_CA_OS_ENTROPY_H_

#include <sys/random.h>

#include "ca/issuer/issuer.h"
#include "l7/base/check.h"

namespace meltemi::ca {

inline Entropy OsEntropy() {
  return [](absl::Span<uint8_t> bytes) {
    // Up to 256 bytes come whole and uninterrupted: getrandom(2).
    CHECK(bytes.size() <= 256 &&
          getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  };
}

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_OS_ENTROPY_H_
