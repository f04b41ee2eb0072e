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
#include "l7/base/free_with.h"

namespace meltemi::ca {

// Stacks of certificates own nothing here: what they point to has its own owner.
inline void FreeStack(STACK_OF(X509) * stack) { sk_X509_free(stack); }
inline void FreeNames(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
inline void FreeExtensions(STACK_OF(X509_EXTENSION) * stack) {
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}

using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<&EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, FreeWith<&X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, FreeWith<&X509_REQ_free>>;
using BioPtr = std::unique_ptr<BIO, FreeWith<&BIO_free_all>>;
using BnPtr = std::unique_ptr<BIGNUM, FreeWith<&BN_free>>;
using Asn1IntegerPtr = std::unique_ptr<ASN1_INTEGER, FreeWith<&ASN1_INTEGER_free>>;
using BasicConstraintsPtr = std::unique_ptr<BASIC_CONSTRAINTS, FreeWith<&BASIC_CONSTRAINTS_free>>;
using BitStringPtr = std::unique_ptr<ASN1_BIT_STRING, FreeWith<&ASN1_BIT_STRING_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeWith<&X509_EXTENSION_free>>;
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), FreeWith<&FreeExtensions>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<&FreeNames>>;
using CertStackPtr = std::unique_ptr<STACK_OF(X509), FreeWith<&FreeStack>>;
using StorePtr = std::unique_ptr<X509_STORE, FreeWith<&X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, FreeWith<&X509_STORE_CTX_free>>;

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
