#include "ca/csr/csr.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "ca/limits.h"
#include "ca/x509/certificate.h"
#include "ca/x509/key.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

using PssPtr = std::unique_ptr<RSA_PSS_PARAMS, FreeWith<&RSA_PSS_PARAMS_free>>;

absl::Status Refuse(std::string_view why) {
  ERR_clear_error();
  return absl::InvalidArgumentError(Cat("CSR: ", why));
}

// The DER inside of PEM; one block, and only blanks behind it.
absl::StatusOr<std::string> Unwrap(std::string_view pem) {
  const BioPtr bio = ReadingBio(pem);
  char *name = nullptr, *header = nullptr;
  uint8_t* data = nullptr;
  long length = 0;
  if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) {
    return Refuse(Cat("broken PEM (", TakeErrors(), ")"));
  }
  const bool good = std::string_view(name) == PEM_STRING_X509_REQ ||
                    std::string_view(name) == PEM_STRING_X509_REQ_OLD;
  std::string der(reinterpret_cast<char*>(data), static_cast<size_t>(length));
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  if (!good) return Refuse("PEM of something else");
  const size_t end = pem.rfind("-----");
  const std::string_view behind = pem.substr(end + 5);
  const bool blank = std::all_of(behind.begin(), behind.end(), [](char c) {
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
  });
  if (!blank || pem.find("-----BEGIN", pem.find("-----BEGIN") + 1) != std::string_view::npos) {
    return Refuse("more than one PEM block, or text behind it");
  }
  return der;
}

absl::Status CheckRsa(const EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < limits::kRsaBitsMin || bits > limits::kRsaBitsMax) {
    return Refuse(Cat("an RSA key of ", bits, " bits; ", limits::kRsaBitsMin, " to ",
                      limits::kRsaBitsMax, " are accepted"));
  }
  BIGNUM* raw = nullptr;
  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &raw);
  const BnPtr exponent(raw);
  if (exponent == nullptr || BN_is_odd(raw) != 1 || BN_num_bits(raw) < 2 ||
      BN_num_bits(raw) > limits::kRsaExponentBitsMax) {
    return Refuse("an RSA key with a bad exponent");
  }
  return absl::OkStatus();
}

absl::Status CheckKey(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) return CheckRsa(key);
  const std::string kind = DescribeKey(key);
  if (kind == "ECDSA P-256" || kind == "ECDSA P-384") return absl::OkStatus();
  return Refuse(Cat("a key of a kind that is not signed",
                    kind.empty() ? std::string() : Cat(" (", kind, ")"),
                    "; ECDSA P-256, ECDSA P-384 and RSA are"));
}

// RFC 4055 3.1: of RSASSA-PSS the digest is a parameter, and SHA-1 where none is named.
int PssDigest(const X509_REQ* request) {
  const X509_ALGOR* algorithm = nullptr;
  X509_REQ_get0_signature(request, nullptr, &algorithm);
  const ASN1_OBJECT* name = nullptr;
  const void* value = nullptr;
  int type = V_ASN1_UNDEF;
  X509_ALGOR_get0(&name, &type, &value, algorithm);
  if (type != V_ASN1_SEQUENCE) return NID_undef;
  const auto* sequence = static_cast<const ASN1_STRING*>(value);
  const uint8_t* at = ASN1_STRING_get0_data(sequence);
  const PssPtr parameters(d2i_RSA_PSS_PARAMS(nullptr, &at, ASN1_STRING_length(sequence)));
  if (parameters == nullptr || parameters->hashAlgorithm == nullptr) return NID_undef;
  const ASN1_OBJECT* digest = nullptr;
  X509_ALGOR_get0(&digest, nullptr, nullptr, parameters->hashAlgorithm);
  return OBJ_obj2nid(digest);
}

absl::Status CheckSignature(X509_REQ* request, EVP_PKEY* key) {
  const int algorithm = X509_REQ_get_signature_nid(request);
  int digest = NID_undef, signer = NID_undef;
  OBJ_find_sigid_algs(algorithm, &digest, &signer);
  if (algorithm == NID_rsassaPss) digest = PssDigest(request);
  const bool strong = digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
  if (!strong) return Refuse("signed with a digest that is not accepted");
  if (X509_REQ_verify(request, key) != 1) return Refuse("its signature is not its key's");
  return absl::OkStatus();
}

// What it may not ask for. Names it may: they are replaced.
absl::Status CheckExtensions(STACK_OF(X509_EXTENSION) * extensions) {
  int critical = 0;
  const BasicConstraintsPtr basic(static_cast<BASIC_CONSTRAINTS*>(
      X509V3_get_d2i(extensions, NID_basic_constraints, &critical, nullptr)));
  if (basic == nullptr && critical != -1) return Refuse("broken basic constraints");
  if (basic != nullptr && basic->ca != 0) return Refuse("it asks to be a CA");
  const BitStringPtr usage(
      static_cast<ASN1_BIT_STRING*>(X509V3_get_d2i(extensions, NID_key_usage, &critical, nullptr)));
  if (usage == nullptr && critical != -1) return Refuse("a broken key usage");
  constexpr int kKeyCertSign = 5, kCrlSign = 6;  // RFC 5280 4.2.1.3
  if (usage != nullptr && (ASN1_BIT_STRING_get_bit(usage.get(), kKeyCertSign) == 1 ||
                           ASN1_BIT_STRING_get_bit(usage.get(), kCrlSign) == 1)) {
    return Refuse("it asks to sign certificates");
  }
  return absl::OkStatus();
}

std::vector<std::string> RequestedUris(STACK_OF(X509_EXTENSION) * extensions) {
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  return NamesOfType(names.get(), GEN_URI);
}

}  // namespace

absl::StatusOr<Csr> ParseCsr(std::string_view bytes) {
  if (bytes.empty()) return Refuse("empty");
  if (bytes.size() > limits::kCsrBytesMax) return Refuse("too large");
  std::string der(bytes);
  if (bytes.find("-----BEGIN") != std::string_view::npos) {
    absl::StatusOr<std::string> unwrapped = Unwrap(bytes);
    if (!unwrapped.ok()) return unwrapped.status();
    der = *std::move(unwrapped);
  }
  const auto* at = reinterpret_cast<const uint8_t*>(der.data());
  const auto* end = at + der.size();
  const RequestPtr request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (request == nullptr) return Refuse(Cat("not a PKCS#10 request (", TakeErrors(), ")"));
  if (at != end) return Refuse("bytes behind the request");
  Csr out;
  out.key.reset(X509_REQ_get_pubkey(request.get()));
  if (out.key == nullptr) return Refuse("a key that cannot be read");
  if (const absl::Status key = CheckKey(out.key.get()); !key.ok()) return key;
  if (const absl::Status signature = CheckSignature(request.get(), out.key.get());
      !signature.ok()) {
    return signature;
  }
  const ExtensionsPtr extensions(X509_REQ_get_extensions(request.get()));
  if (const absl::Status asked = CheckExtensions(extensions.get()); !asked.ok()) return asked;
  out.uri_names = RequestedUris(extensions.get());
  out.key_kind = DescribeKey(out.key.get());
  out.sha256 = Sha256Hex(der);
  ERR_clear_error();
  return out;
}

}  // namespace meltemi::ca
