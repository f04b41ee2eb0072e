#include "dataplane/tls/workload_key/test_ca.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "l7/base/check.h"
#include "l7/base/text.h"

namespace meltemi::tls {
namespace {

std::string ToPem(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  CHECK(PEM_write_bio_X509(bio, certificate) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

void Extend(X509* certificate, int nid, const std::string& text) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, text.c_str());
  CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TestCa::TestCa() : key_(EVP_EC_gen("P-256")), root_(X509_new()) {
  X509_set_version(root_, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(root_), 1);
  ASN1_TIME_set(X509_getm_notBefore(root_), 0);
  ASN1_TIME_set(X509_getm_notAfter(root_), 4'102'444'800);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(root_), "CN", MBSTRING_ASC,
                             reinterpret_cast<const uint8_t*>("test root"), -1, -1, 0);
  X509_set_issuer_name(root_, X509_get_subject_name(root_));
  X509_set_pubkey(root_, key_);
  Extend(root_, NID_basic_constraints, "critical,CA:TRUE");
  CHECK(X509_sign(root_, key_, EVP_sha256()) > 0);
  root_pem_ = ToPem(root_);
}

TestCa::~TestCa() {
  X509_free(root_);
  EVP_PKEY_free(key_);
}

std::vector<std::string> TestCa::Answer(const std::string& csr, const Leaf& leaf) {
  BIO* bio = BIO_new_mem_buf(csr.data(), static_cast<int>(csr.size()));
  X509_REQ* request = PEM_read_bio_X509_REQ(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  CHECK(request != nullptr && X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) == 1);
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial_);
  ASN1_TIME_set(X509_getm_notBefore(certificate), leaf.not_before.seconds);
  ASN1_TIME_set(X509_getm_notAfter(certificate), leaf.not_after.seconds);
  X509_set_issuer_name(certificate, X509_get_subject_name(root_));
  X509_set_pubkey(certificate, X509_REQ_get0_pubkey(request));
  std::string names;
  for (const std::string& uri : leaf.uris) AppendTo(&names, names.empty() ? "" : ",", "URI:", uri);
  if (!leaf.dns.empty()) AppendTo(&names, ",DNS:", leaf.dns);
  if (!names.empty()) Extend(certificate, NID_subject_alt_name, names);
  CHECK(X509_sign(certificate, key_, EVP_sha256()) > 0);
  const std::string pem = ToPem(certificate);
  X509_free(certificate);
  X509_REQ_free(request);
  return {pem, root_pem_};
}

}  // namespace meltemi::tls
