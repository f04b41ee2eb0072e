// TlsLibrary: the OpenSSL that the contexts' handshakes run in. It has what OpenSSL's default
// provider has, less the kinds of keys and the decoders that no peer's certificate here needs.
//
// Why: OpenSSL 3.0 parses each certificate that a peer shows anew, and for the public key in it
// walks over every kind of key and every decoder that there is (its issues 17950 and 19119): 0.4 M
// cycles for one of P-256. With what is left here it takes half of that (`tls_benchmark`: Parse).
// The result cannot be kept instead: libssl parses by itself, and lets nobody in between. What
// follows from it, whether the chain is good, is kept: VerifiedCertificates.
//
// Keys of certificates: RSA, RSA-PSS, EC, Ed25519; others do not parse. Made at the first call and
// never freed. Any thread.
#ifndef MELTEMI_DATAPLANE_TLS_OPENSSL_LIBRARY_H_
#define MELTEMI_DATAPLANE_TLS_OPENSSL_LIBRARY_H_

#include <openssl/types.h>

namespace meltemi::tls {

OSSL_LIB_CTX* TlsLibrary();

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_OPENSSL_LIBRARY_H_
