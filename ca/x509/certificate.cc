#include "ca/x509/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <time.h>

#include "absl/strings/ascii.h"
#include "ca/limits.h"
#include "l7/base/check.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

absl::Time ToTime(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string OnlyEntry(const X509* certificate, int nid) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(name, nid, at) >= 0) return "";
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
}

std::vector<std::string> AlternativeNames(const X509* certificate, int type) {
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  return NamesOfType(names.get(), type);
}

CertStackPtr StackOf(const std::vector<CertPtr>& certificates) {
  CertStackPtr stack(sk_X509_new_null());
  CHECK(stack != nullptr);
  for (const CertPtr& certificate : certificates) sk_X509_push(stack.get(), certificate.get());
  return stack;
}

}  // namespace

absl::StatusOr<std::vector<CertPtr>> CertificatesFromPem(std::string_view pem) {
  if (pem.size() > limits::kPemBytesMax) return absl::InvalidArgumentError("PEM: too large");
  const BioPtr bio = ReadingBio(pem);
  std::vector<CertPtr> out;
  while (out.size() <= limits::kCertificatesMax) {
    char *name = nullptr, *header = nullptr;
    uint8_t* data = nullptr;
    long length = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) {
      const int reason = ERR_GET_REASON(ERR_peek_last_error());
      const std::string reasons = TakeErrors();
      if (reason != PEM_R_NO_START_LINE) return absl::InvalidArgumentError(Cat("PEM: ", reasons));
      if (!out.empty()) return out;
      return absl::InvalidArgumentError("PEM: no certificate");
    }
    const bool certificate = std::string_view(name) == PEM_STRING_X509;
    const uint8_t* at = data;
    CertPtr read(certificate ? d2i_X509(nullptr, &at, length) : nullptr);
    const bool whole = read != nullptr && at == data + length;
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    ERR_clear_error();
    if (!certificate) return absl::InvalidArgumentError("PEM: something that is no certificate");
    if (!whole) return absl::InvalidArgumentError("PEM: a broken certificate");
    out.push_back(std::move(read));
  }
  return absl::InvalidArgumentError("PEM: too many certificates");
}

absl::StatusOr<CertPtr> CertificateFromPem(std::string_view pem) {
  absl::StatusOr<std::vector<CertPtr>> all = CertificatesFromPem(pem);
  if (!all.ok()) return all.status();
  if (all->size() != 1) return absl::InvalidArgumentError("PEM: more than one certificate");
  return std::move(all->front());
}

std::string ToPem(const X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr && PEM_write_bio_X509(bio.get(), certificate) == 1);
  return Contents(bio.get());
}

std::string ToPem(const std::vector<CertPtr>& certificates) {
  std::string out;
  for (const CertPtr& certificate : certificates) out += ToPem(certificate.get());
  return out;
}

absl::Time NotBefore(const X509* certificate) { return ToTime(X509_get0_notBefore(certificate)); }
absl::Time NotAfter(const X509* certificate) { return ToTime(X509_get0_notAfter(certificate)); }

std::string SerialHex(const X509* certificate) {
  const BnPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  CHECK(number != nullptr);
  char* hex = BN_bn2hex(number.get());
  std::string out = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  absl::AsciiStrToLower(&out);
  return out;
}

std::string CommonName(const X509* certificate) { return OnlyEntry(certificate, NID_commonName); }
std::string OrganizationalUnit(const X509* certificate) {
  return OnlyEntry(certificate, NID_organizationalUnitName);
}

std::vector<std::string> UriNames(const X509* certificate) {
  return AlternativeNames(certificate, GEN_URI);
}
std::vector<std::string> DnsNames(const X509* certificate) {
  return AlternativeNames(certificate, GEN_DNS);
}

std::vector<std::string> NamesOfType(const GENERAL_NAMES* names, int type) {
  std::vector<std::string> out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != type) continue;
    // Both types that are asked for are IA5 strings; a NUL in one stays in it and matches nothing.
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.ia5)),
                     static_cast<size_t>(ASN1_STRING_length(name->d.ia5)));
  }
  return out;
}

bool IsKeyOf(const EVP_PKEY* key, const X509* certificate) {
  const bool is = X509_check_private_key(certificate, key) == 1;
  ERR_clear_error();
  return is;
}

bool SelfSigned(const X509* certificate) {
  return X509_self_signed(const_cast<X509*>(certificate), 1) == 1;
}

absl::Status VerifyChain(X509* leaf, const std::vector<CertPtr>& intermediates,
                         const std::vector<CertPtr>& roots, ChainUse use, absl::Time now) {
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  const CertStackPtr stack = StackOf(intermediates);
  CHECK(store != nullptr && context != nullptr);
  for (const CertPtr& root : roots) X509_STORE_add_cert(store.get(), root.get());
  if (X509_STORE_CTX_init(context.get(), store.get(), leaf, stack.get()) != 1) {
    return OpenSslError("verifying a certificate");
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_depth(parameters, limits::kChainDepthMax);
  switch (use) {
    case ChainUse::kClient:
      X509_VERIFY_PARAM_set_time(parameters, absl::ToTimeT(now));
      X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_CLIENT);
      break;
    case ChainUse::kIssuer:  // a time that is set would be looked at in spite of this flag
      X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_NO_CHECK_TIME);
      break;
  }
  const int verified = X509_verify_cert(context.get());
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (verified == 1) return absl::OkStatus();
  return absl::UnauthenticatedError(
      Cat("the certificate is not to be trusted: ", X509_verify_cert_error_string(error)));
}

}  // namespace meltemi::ca
