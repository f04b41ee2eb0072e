#include "ca/x509/key.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstring>

#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

struct Kind {
  std::string_view name;
  const char* curve;  // null: RSA
  size_t rsa_bits;
};
// By KeyKind.
constexpr Kind kKinds[] = {
    {"ecdsa-p256", "P-256", 0},  {"ecdsa-p384", "P-384", 0},  {"rsa-2048", nullptr, 2048},
    {"rsa-3072", nullptr, 3072}, {"rsa-4096", nullptr, 4096},
};

// OpenSSL asks for a passphrase here; without this it would ask the terminal.
int GivePassphrase(char* buffer, int size, int /*writing*/, void* passphrase) {
  const auto& text = *static_cast<const std::string*>(passphrase);
  if (text.empty() || static_cast<int>(text.size()) > size) return -1;
  memcpy(buffer, text.data(), text.size());
  return static_cast<int>(text.size());
}

}  // namespace

absl::StatusOr<KeyKind> KeyKindByName(std::string_view name) {
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (kKinds[i].name == name) return static_cast<KeyKind>(i);
  }
  return absl::InvalidArgumentError(Cat("\"", name,
                                        "\" is no kind of key; ecdsa-p256, ecdsa-p384, rsa-2048, "
                                        "rsa-3072 and rsa-4096 are"));
}

absl::StatusOr<KeyPtr> MakeKey(KeyKind kind) {
  const Kind& k = kKinds[static_cast<size_t>(kind)];
  KeyPtr key(k.curve != nullptr ? EVP_EC_gen(k.curve)
                                : EVP_RSA_gen(static_cast<unsigned int>(k.rsa_bits)));
  if (key == nullptr) return OpenSslError("making a key");
  return key;
}

absl::StatusOr<std::string> PrivateKeyToPem(const EVP_PKEY* key, const std::string& passphrase) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  const bool plain = passphrase.empty();
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, plain ? nullptr : EVP_aes_256_cbc(),
                                    plain ? nullptr : passphrase.data(),
                                    static_cast<int>(passphrase.size()), nullptr, nullptr) != 1) {
    return OpenSslError("writing a key");
  }
  return Contents(bio.get());
}

absl::StatusOr<KeyPtr> PrivateKeyFromPem(std::string_view pem, const std::string& passphrase) {
  std::string given = passphrase;
  const BioPtr bio = ReadingBio(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &GivePassphrase, &given));
  if (key != nullptr) return key;
  const bool encrypted = pem.find("ENCRYPTED") != std::string_view::npos;
  const std::string reasons = TakeErrors();
  if (encrypted && passphrase.empty()) {
    return absl::FailedPreconditionError("the private key needs a passphrase");
  }
  if (encrypted) {
    return absl::PermissionDeniedError(
        Cat("the passphrase does not open the private key (", reasons, ")"));
  }
  return absl::InvalidArgumentError(Cat("no private key in PEM (", reasons, ")"));
}

std::string DescribeKey(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) return Cat("RSA ", EVP_PKEY_get_bits(key));
  char group[64] = "";
  if (EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, group, sizeof(group), nullptr) != 1) {
    ERR_clear_error();
    return "";
  }
  const char* nist = EC_curve_nid2nist(OBJ_sn2nid(group));
  return nist == nullptr ? "" : Cat("ECDSA ", nist);
}

}  // namespace meltemi::ca
