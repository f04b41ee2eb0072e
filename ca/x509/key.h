// Private keys: made, written and read as PEM, with or without a passphrase. Any thread.
#ifndef MELTEMI_CA_X509_KEY_H_
#define MELTEMI_CA_X509_KEY_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ca/x509/openssl.h"

namespace meltemi::ca {

enum class KeyKind { kEcdsaP256, kEcdsaP384, kRsa2048, kRsa3072, kRsa4096 };

// "ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096".
absl::StatusOr<KeyKind> KeyKindByName(std::string_view name);

absl::StatusOr<KeyPtr> MakeKey(KeyKind kind);

// PKCS#8; under a passphrase that is not empty, encrypted with AES-256.
absl::StatusOr<std::string> PrivateKeyToPem(const EVP_PKEY* key, const std::string& passphrase);
// Any PEM form of OpenSSL's. A key that needs a passphrase and gets the wrong one or none is an
// error: nothing here asks a terminal.
absl::StatusOr<KeyPtr> PrivateKeyFromPem(std::string_view pem, const std::string& passphrase);

// "ECDSA P-256", "RSA 2048"; "" for what is neither.
std::string DescribeKey(const EVP_PKEY* key);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_X509_KEY_H_
