// Certificate signing requests (PKCS#10, RFC 2986): hostile input. Only the public key of one is
// ever used; the rest is looked at to refuse what asks for too much. Pure, any thread; bounded by
// kCsrBytesMax, and key sizes are checked before any arithmetic is done with the key.
#ifndef MELTEMI_CA_CSR_CSR_H_
#define MELTEMI_CA_CSR_CSR_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ca/x509/openssl.h"

namespace meltemi::ca {

struct Csr {
  KeyPtr key;                          // public, of a kind and size that we sign
  std::string key_kind;                // "ECDSA P-256"
  std::vector<std::string> uri_names;  // asked for; the certificate has the proven identity instead
  std::string sha256;                  // of the DER, hexadecimal: what the log calls it by
};

// PEM ("CERTIFICATE REQUEST" or "NEW CERTIFICATE REQUEST") or DER. Its signature proves that who
// asks has the private key. Refused: RSA below 2048 or above 8192 bits, curves other than P-256 and
// P-384, signatures by MD5 or SHA-1, anything that asks to be a CA, bytes behind the request.
absl::StatusOr<Csr> ParseCsr(std::string_view bytes);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_CSR_CSR_H_
