// Goal: no bytes make the request parser crash, and what it takes has a key of a kind we sign.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ca/csr/csr.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto csr = meltemi::ca::ParseCsr({reinterpret_cast<const char*>(data), size});
  if (!csr.ok()) return 0;
  if (csr->key == nullptr || (csr->key_kind != "ECDSA P-256" && csr->key_kind != "ECDSA P-384" &&
                              csr->key_kind.substr(0, 4) != "RSA ")) {
    abort();
  }
  return 0;
}
