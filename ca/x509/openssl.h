// OpenSSL's objects with owners, and its error queue as a Status. Any thread; knows nothing of the
// CA.
#ifndef MELTEMI_CA_X509_OPENSSL_H_
#define MELTEMI_CA_X509_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace meltemi::ca {

template <auto* kFree>
struct Freer {
  template <typename T>
  void operator()(T* thing) const {
    kFree(thing);
  }
};

// Stacks of certificates own nothing here: what they point to has its own owner.
inline void FreeStack(STACK_OF(X509) * stack) { sk_X509_free(stack); }
inline void FreeNames(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
inline void FreeExtensions(STACK_OF(X509_EXTENSION) * stack) {
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}

using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<&EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, Freer<&X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Freer<&X509_REQ_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<&BIO_free_all>>;
using BnPtr = std::unique_ptr<BIGNUM, Freer<&BN_free>>;
using Asn1IntegerPtr = std::unique_ptr<ASN1_INTEGER, Freer<&ASN1_INTEGER_free>>;
using BasicConstraintsPtr = std::unique_ptr<BASIC_CONSTRAINTS, Freer<&BASIC_CONSTRAINTS_free>>;
using BitStringPtr = std::unique_ptr<ASN1_BIT_STRING, Freer<&ASN1_BIT_STRING_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<&X509_EXTENSION_free>>;
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), Freer<&FreeExtensions>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<&FreeNames>>;
using CertStackPtr = std::unique_ptr<STACK_OF(X509), Freer<&FreeStack>>;
using StorePtr = std::unique_ptr<X509_STORE, Freer<&X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Freer<&X509_STORE_CTX_free>>;

// What OpenSSL says went wrong on this thread, oldest first; empties its queue.
std::string TakeErrors();

// An internal error of that name with OpenSSL's reasons.
absl::Status OpenSslError(std::string_view what);

// A BIO that reads the text, which must stay.
BioPtr ReadingBio(std::string_view text);
// What was written to a memory BIO.
std::string Contents(BIO* bio);

// SHA-256 as lower-case hexadecimal.
std::string Sha256Hex(std::string_view bytes);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_X509_OPENSSL_H_
