// A certificate signed by its own key, as bytes, and how libssl makes an object of such bytes: for
// tests of parsing. Those for handshakes: certificates.h.
#ifndef MELTEMI_DATAPLANE_TLS_TESTING_SELF_SIGNED_H_
#define MELTEMI_DATAPLANE_TLS_TESTING_SELF_SIGNED_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "dataplane/tls/openssl_ptr.h"

namespace meltemi::tls {

// In DER, with a comment of so many letters.
std::string SelfSigned(EVP_PKEY* key, const EVP_MD* digest, size_t comment = 0);

// Of TlsLibrary(). `used`: how far it went. Null: these bytes are none.
X509Ptr ParseAsLibssl(std::string_view der, size_t* used = nullptr);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TESTING_SELF_SIGNED_H_
