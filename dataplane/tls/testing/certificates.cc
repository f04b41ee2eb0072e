#include "dataplane/tls/testing/certificates.h"

#include <openssl/pem.h>

#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

PkeyPtr MakeKey(KeyType type) {
  switch (type) {
    case KeyType::kP256:
      return PkeyPtr(EVP_EC_gen("P-256"));
    case KeyType::kRsa2048:
      return PkeyPtr(EVP_RSA_gen(2048));
    case KeyType::kEd25519:
      return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  }
  return nullptr;
}

std::string Text(BIO* bio) {
  char* text = nullptr;
  const long n = BIO_get_mem_data(bio, &text);
  return std::string(text, static_cast<size_t>(n));
}

std::string Pem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return Text(bio.get());
}

std::string Pem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return Text(bio.get());
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

X509Ptr Begin(const std::string& name, EVP_PKEY* key, int64_t not_before, int64_t not_after) {
  X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), static_cast<time_t>(not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), static_cast<time_t>(not_after));
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const uint8_t*>(name.c_str()), -1, -1, 0);
  return certificate;
}

void Sign(X509* certificate, X509* issuer, EVP_PKEY* key) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name, const TestAuthority* issuer)
    : key_(MakeKey(KeyType::kP256)),
      certificate_(Begin(name, key_.get(), kTestNow - 100'000, kTestNow + 1'000'000)) {
  AddExtension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  Sign(certificate_.get(), issuer != nullptr ? issuer->certificate_.get() : certificate_.get(),
       issuer != nullptr ? issuer->key_.get() : key_.get());
  pem_ = Pem(certificate_.get());
  if (issuer != nullptr) chain_pem_ = pem_ + issuer->chain_pem_;
}

Certificate TestAuthority::Issue(const LeafOptions& options) const {
  const PkeyPtr key = MakeKey(options.key);
  const X509Ptr leaf = Begin(options.common_name, key.get(), options.not_before, options.not_after);
  std::string names;
  for (const std::string& uri : options.uris) names += (names.empty() ? "URI:" : ",URI:") + uri;
  for (const std::string& dns : options.dns_names) {
    names += (names.empty() ? "DNS:" : ",DNS:") + dns;
  }
  if (!names.empty()) AddExtension(leaf.get(), NID_subject_alt_name, names);
  AddExtension(leaf.get(), NID_ext_key_usage,
               options.client_only ? "clientAuth" : "serverAuth,clientAuth");
  Sign(leaf.get(), certificate_.get(), key_.get());
  return {.chain_pem = Pem(leaf.get()) + chain_pem_, .key_pem = Pem(key.get())};
}

Certificate TestAuthority::IssueSpiffe(const std::string& account) const {
  return Issue({.common_name = account, .uris = {"spiffe://cluster.local/ns/a/sa/" + account}});
}

}  // namespace meltemi::tls
