#include "dataplane/tls/peer.h"

#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"

namespace meltemi::tls {
namespace {

constexpr std::string_view kScheme = "spiffe://";

std::string NameText(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &text);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : std::string();
}

std::string SerialText(const ASN1_INTEGER* serial) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)),
                                 static_cast<size_t>(ASN1_STRING_length(serial))});
}

// A certificate has one SPIFFE identity (X509-SVID 2). With two, one domain's roots would vouch for
// the other's.
bool IsAmbiguous(const PeerIdentity& identity) {
  return std::count_if(identity.uri_sans.begin(), identity.uri_sans.end(),
                       [](const auto& uri) { return !TrustDomainOf(uri).empty(); }) > 1;
}

// The identity's own trust domain has roots: only these. Else those without a domain.
const ContextData::Roots* RootsFor(const ContextData& context, const PeerIdentity& identity) {
  std::string_view domain;
  for (const std::string& uri : identity.uri_sans) {
    if (domain = TrustDomainOf(uri); !domain.empty()) break;
  }
  const ContextData::Roots* any = nullptr;
  for (const ContextData::Roots& roots : context.roots) {
    if (roots.trust_domain.empty()) any = &roots;
    if (!roots.trust_domain.empty() && roots.trust_domain == domain) return &roots;
  }
  return any;
}

Sha256 DigestOf(const ContextData& context, X509* leaf, const STACK_OF(X509) * others) {
  const DigestCtxPtr hash(EVP_MD_CTX_new());
  CHECK(EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) == 1);
  EVP_DigestUpdate(hash.get(), &context.trust_id, sizeof(context.trust_id));
  EVP_DigestUpdate(hash.get(), &context.role, sizeof(context.role));
  const auto add = [&hash](X509* certificate) {
    uint8_t* der = nullptr;
    const int n = i2d_X509(certificate, &der);
    if (n > 0) EVP_DigestUpdate(hash.get(), der, static_cast<size_t>(n));
    OPENSSL_free(der);
  };
  add(leaf);
  for (int i = 0; i < sk_X509_num(others); ++i) add(sk_X509_value(others, i));
  Sha256 digest;
  EVP_DigestFinal_ex(hash.get(), digest.data(), nullptr);
  return digest;
}

}  // namespace

int64_t UnixSeconds(const ASN1_TIME* time) {
  std::tm date{};
  if (ASN1_TIME_to_tm(time, &date) != 1) return 0;
  return static_cast<int64_t>(timegm(&date));
}

std::string_view TrustDomainOf(std::string_view uri) {
  if (!uri.starts_with(kScheme)) return {};
  uri.remove_prefix(kScheme.size());
  return uri.substr(0, uri.find('/'));
}

namespace {

void ReadNames(X509* leaf, std::vector<std::string>* uris, std::vector<std::string>* dns_names) {
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < std::min<int>(count, limits::kTlsSubjectAltNamesMax); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    if (type != GEN_URI && type != GEN_DNS) continue;
    const auto* text = static_cast<const ASN1_STRING*>(value);
    std::string name(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
    // A zero byte in a name is an attack on those who compare C strings.
    if (name.find('\0') != std::string::npos) continue;
    (type == GEN_URI ? uris : dns_names)->push_back(std::move(name));
  }
}

}  // namespace

std::vector<std::string> ReadUris(X509* leaf) {
  std::vector<std::string> uris, dns_names;
  ReadNames(leaf, &uris, &dns_names);
  return uris;
}

PeerIdentity ReadIdentity(X509* leaf) {
  PeerIdentity identity{.certificate_given = true};
  ReadNames(leaf, &identity.uri_sans, &identity.dns_sans);
  identity.subject = NameText(X509_get_subject_name(leaf));
  identity.issuer = NameText(X509_get_issuer_name(leaf));
  identity.serial = SerialText(X509_get0_serialNumber(leaf));
  X509_digest(leaf, EVP_sha256(), identity.sha256.data(), nullptr);
  identity.not_before = UnixSeconds(X509_get0_notBefore(leaf));
  identity.not_after = UnixSeconds(X509_get0_notAfter(leaf));
  return identity;
}

void AppendPem(X509* certificate, std::string* out) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) return;
  char* text = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &text);
  if (n > 0) out->append(text, static_cast<size_t>(n));
}

bool Matches(const PeerRule& rule, const PeerIdentity& identity, X509* leaf) {
  if (rule == PeerRule{}) return true;
  for (const std::string& uri : identity.uri_sans) {
    if (std::find(rule.uris.begin(), rule.uris.end(), uri) != rule.uris.end()) return true;
    const std::string_view domain = TrustDomainOf(uri);
    if (!domain.empty() && std::find(rule.trust_domains.begin(), rule.trust_domains.end(),
                                     domain) != rule.trust_domains.end()) {
      return true;
    }
  }
  return std::any_of(rule.dns_names.begin(), rule.dns_names.end(), [leaf](const auto& name) {
    return X509_check_host(
               leaf, name.data(), name.size(),
               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
               nullptr) == 1;
  });
}

ChainVerdict VerifyChain(const ContextData& context, X509* leaf, STACK_OF(X509) * others,
                         int64_t unix_seconds, VerifiedCertificates* verified) {
  const Sha256 digest = DigestOf(context, leaf, others);
  if (verified->Contains(digest, unix_seconds)) return {.known = true};
  const PeerIdentity identity = ReadIdentity(leaf);
  if (IsAmbiguous(identity)) return {.x509_error = X509_V_ERR_CERT_REJECTED};
  const ContextData::Roots* roots = RootsFor(context, identity);
  if (roots == nullptr) return {.x509_error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY};
  const X509StoreCtxPtr check(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(check.get(), roots->store.get(), leaf, others) != 1) {
    return {.x509_error = X509_V_ERR_OUT_OF_MEM};
  }
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(check.get());
  X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(unix_seconds));
  X509_VERIFY_PARAM_set_purpose(
      param, context.role == Role::kServer ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_auth_level(param, 2);
  if (X509_verify_cert(check.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(check.get());
    return {.x509_error = error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error};
  }
  int64_t not_before = 0, not_after = INT64_MAX;
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(check.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* certificate = sk_X509_value(chain, i);
    not_before = std::max(not_before, UnixSeconds(X509_get0_notBefore(certificate)));
    not_after = std::min(not_after, UnixSeconds(X509_get0_notAfter(certificate)));
  }
  verified->Add(digest, not_before, not_after);
  return {};
}

TlsError ErrorOfX509(int x509_error) {
  switch (x509_error) {  // an int of OpenSSL's with a hundred values: a default is right here
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return TlsError::kPeerCertificateUnknownIssuer;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TlsError::kPeerCertificateExpired;
    case X509_V_ERR_APPLICATION_VERIFICATION:
      return TlsError::kPeerIdentity;
    default:
      return TlsError::kPeerCertificateInvalid;
  }
}

}  // namespace meltemi::tls
