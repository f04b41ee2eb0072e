#include "dataplane/tls/workload_key/workload_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "l7/base/free_with.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::tls {
namespace {

void FreeStack(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }
void FreeExtensions(STACK_OF(X509_EXTENSION) * stack) {
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}
using Bio = std::unique_ptr<BIO, FreeWith<&BIO_free_all>>;
using Bn = std::unique_ptr<BIGNUM, FreeWith<&BN_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<&X509_free>>;
using Certificates = std::unique_ptr<STACK_OF(X509), FreeWith<&FreeStack>>;
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), FreeWith<&FreeExtensions>>;
using Names = std::unique_ptr<GENERAL_NAMES, FreeWith<&GENERAL_NAMES_free>>;
using Request = std::unique_ptr<X509_REQ, FreeWith<&X509_REQ_free>>;
using Store = std::unique_ptr<X509_STORE, FreeWith<&X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, FreeWith<&X509_STORE_CTX_free>>;

absl::Status Failed(std::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return absl::InternalError(Cat(what, ": ", reason == nullptr ? "unknown" : reason));
}

absl::Status Refuse(std::string_view why) {
  ERR_clear_error();
  return absl::InvalidArgumentError(Cat("the CA's answer: ", why));
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size <= 0 ? std::string() : std::string(data, static_cast<size_t>(size));
}

// Appends the certificates of a PEM text; false when it has something broken in it.
bool Read(std::string_view pem, STACK_OF(X509) * out) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio == nullptr) return false;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (sk_X509_num(out) >= limits::kCertificateChainMax || sk_X509_push(out, certificate) <= 0) {
      X509_free(certificate);
      return false;
    }
  }
  const bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return end;
}

std::string ToPem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) return "";
  return Contents(bio.get());
}

UnixTime ToUnix(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return {timegm(&parts)};
}

bool HasOnlyUri(const X509* certificate, std::string_view uri) {
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (sk_GENERAL_NAME_num(names.get()) != 1) return false;
  const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), 0);
  if (name->type != GEN_URI) return false;
  const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
  return uri == std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                 static_cast<size_t>(ASN1_STRING_length(text)));
}

// "" when the leaf leads to a root, else why not.
std::string WhyUntrusted(X509* leaf, STACK_OF(X509) * intermediates, STACK_OF(X509) * roots,
                         UnixTime now) {
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  if (store == nullptr || context == nullptr ||
      X509_STORE_CTX_init(context.get(), store.get(), leaf, intermediates) != 1) {
    return "out of memory";
  }
  for (int i = 0; i < sk_X509_num(roots); ++i) {
    X509_STORE_add_cert(store.get(), sk_X509_value(roots, i));
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, now.seconds);
  X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_CLIENT);
  if (X509_verify_cert(context.get()) == 1) return "";
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

std::string Serial(const X509* certificate) {
  const Bn number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* hex = number == nullptr ? nullptr : BN_bn2hex(number.get());
  std::string out = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  for (char& c : out) c = c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

std::vector<std::string> NamesOfType(const X509* certificate, int type) {
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != type) continue;  // both that are asked for are IA5 strings
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.ia5)),
                     static_cast<size_t>(ASN1_STRING_length(name->d.ia5)));
  }
  return out;
}

bool AddUri(X509_REQ* request, const std::string& uri) {
  const Names names(GENERAL_NAMES_new());
  const Extensions extensions(sk_X509_EXTENSION_new_null());
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  if (names == nullptr || extensions == nullptr || name == nullptr || text == nullptr ||
      ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size())) != 1) {
    GENERAL_NAME_free(name);
    ASN1_IA5STRING_free(text);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  if (sk_GENERAL_NAME_push(names.get(), name) <= 0) return false;
  X509_EXTENSION* extension = X509V3_EXT_i2d(NID_subject_alt_name, 1, names.get());
  if (extension == nullptr || sk_X509_EXTENSION_push(extensions.get(), extension) <= 0) {
    X509_EXTENSION_free(extension);
    return false;
  }
  return X509_REQ_add_extensions(request, extensions.get()) == 1;
}

}  // namespace

void WorkloadKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

absl::StatusOr<WorkloadKey> WorkloadKey::Make() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  if (key == nullptr) return Failed("making a key");
  return WorkloadKey(key);
}

WorkloadKey::WorkloadKey(const WorkloadKey& other) : key_(other.get()) {
  if (key_ != nullptr) EVP_PKEY_up_ref(key_.get());
}

WorkloadKey& WorkloadKey::operator=(const WorkloadKey& other) {
  WorkloadKey copy(other);
  key_ = std::move(copy.key_);
  return *this;
}

absl::StatusOr<std::string> WorkloadKey::SigningRequest(const std::string& uri) const {
  const Request request(X509_REQ_new());
  const Bio bio(BIO_new(BIO_s_mem()));
  if (request == nullptr || bio == nullptr || X509_REQ_set_pubkey(request.get(), get()) != 1 ||
      !AddUri(request.get(), uri) || X509_REQ_sign(request.get(), get(), EVP_sha256()) <= 0 ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return Failed("making a signing request");
  }
  return Contents(bio.get());
}

absl::StatusOr<std::string> WorkloadKey::PemForThisProcess() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("encoding a key");
  }
  return Contents(bio.get());
}

std::vector<CertificateFacts> ReadCertificates(std::string_view pem) {
  std::vector<CertificateFacts> out;
  const Certificates all(sk_X509_new_null());
  if (all == nullptr) return out;
  Read(pem, all.get());  // what is in front of something broken is shown
  for (int i = 0; i < sk_X509_num(all.get()); ++i) {
    const X509* certificate = sk_X509_value(all.get(), i);
    out.push_back({.serial = Serial(certificate),
                   .uris = NamesOfType(certificate, GEN_URI),
                   .dns_names = NamesOfType(certificate, GEN_DNS),
                   .not_before = ToUnix(X509_get0_notBefore(certificate)),
                   .not_after = ToUnix(X509_get0_notAfter(certificate))});
  }
  ERR_clear_error();
  return out;
}

absl::StatusOr<WorkloadChain> CheckWorkloadChain(const WorkloadKey& key, std::string_view uri,
                                                 const std::vector<std::string>& answer,
                                                 UnixTime now) {
  size_t bytes = 0;
  for (const std::string& part : answer) bytes += part.size();
  if (bytes > limits::kCertificateChainBytesMax) return Refuse("too large");
  if (answer.size() < 2) return Refuse("no chain of a certificate and its roots");
  const Certificates chain(sk_X509_new_null()), roots(sk_X509_new_null());
  if (chain == nullptr || roots == nullptr) return Failed("reading a chain");
  for (size_t i = 0; i + 1 < answer.size(); ++i) {
    if (!Read(answer[i], chain.get())) return Refuse("a broken certificate");
  }
  if (!Read(answer.back(), roots.get())) return Refuse("a broken root");
  if (sk_X509_num(chain.get()) == 0) return Refuse("no certificate");
  if (sk_X509_num(roots.get()) == 0) return Refuse("no root");
  const Certificate leaf(sk_X509_shift(chain.get()));
  if (EVP_PKEY_eq(X509_get0_pubkey(leaf.get()), key.get()) != 1) return Refuse("of another key");
  if (!HasOnlyUri(leaf.get(), uri)) return Refuse(Cat("not for ", uri));
  const std::string why = WhyUntrusted(leaf.get(), chain.get(), roots.get(), now);
  if (!why.empty()) return Refuse(why);
  WorkloadChain out{.serial = Serial(leaf.get()),
                    .not_before = ToUnix(X509_get0_notBefore(leaf.get())),
                    .not_after = ToUnix(X509_get0_notAfter(leaf.get()))};
  out.chain_pem = ToPem(leaf.get());
  for (int i = 0; i < sk_X509_num(chain.get()); ++i) {
    out.chain_pem += ToPem(sk_X509_value(chain.get(), i));
  }
  for (int i = 0; i < sk_X509_num(roots.get()); ++i) {
    out.trusted_pem += ToPem(sk_X509_value(roots.get(), i));
  }
  ERR_clear_error();
  return out;
}

}  // namespace meltemi::tls
