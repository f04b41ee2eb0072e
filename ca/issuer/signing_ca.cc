#include <algorithm>

#include "ca/issuer/issuer.h"
#include "ca/x509/certificate.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

absl::Status In(std::string_view file, const absl::Status& status) {
  return absl::Status(status.code(), Abs(Cat(file, ": ", status.message())));
}

bool Same(const X509* a, const X509* b) { return X509_cmp(a, b) == 0; }

bool MaySign(X509* certificate) {
  // OpenSSL's 1 is an X.509v3 CA with basic constraints; its other values are older guesses.
  return X509_check_ca(certificate) == 1 &&
         (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) != 0;
}

}  // namespace

absl::StatusOr<SigningCa> SigningCa::Load(const CaMaterial& material,
                                          const std::string& passphrase) {
  SigningCa out;
  absl::StatusOr<CertPtr> certificate = CertificateFromPem(material.ca_cert);
  if (!certificate.ok()) return In("ca-cert.pem", certificate.status());
  absl::StatusOr<std::vector<CertPtr>> roots = CertificatesFromPem(material.root_cert);
  if (!roots.ok()) return In("root-cert.pem", roots.status());
  absl::StatusOr<KeyPtr> key = PrivateKeyFromPem(material.ca_key, passphrase);
  if (!key.ok()) return In("ca-key.pem", key.status());
  std::vector<CertPtr> chain;
  if (material.cert_chain.find("-----BEGIN") != std::string::npos) {
    absl::StatusOr<std::vector<CertPtr>> read = CertificatesFromPem(material.cert_chain);
    if (!read.ok()) return In("cert-chain.pem", read.status());
    chain = *std::move(read);
  }
  out.certificate_ = *std::move(certificate);
  out.roots_ = *std::move(roots);
  out.key_ = *std::move(key);
  if (!IsKeyOf(out.key_.get(), out.certificate_.get())) {
    return absl::InvalidArgumentError("ca-key.pem is not the key of ca-cert.pem");
  }
  if (!MaySign(out.certificate_.get())) {
    return absl::InvalidArgumentError(
        "ca-cert.pem may not sign certificates: it needs CA:TRUE and the key usage keyCertSign");
  }
  const absl::Status leads =
      VerifyChain(out.certificate_.get(), chain, out.roots_, ChainUse::kIssuer, absl::UnixEpoch());
  if (!leads.ok()) {
    return absl::InvalidArgumentError(
        Cat("ca-cert.pem does not lead to root-cert.pem by cert-chain.pem: ", leads.message()));
  }
  // Istio's cert-chain.pem begins with ca-cert.pem and may end with the root: each once, no roots.
  const auto is_root = [&](const X509* c) {
    return std::any_of(out.roots_.begin(), out.roots_.end(),
                       [&](const CertPtr& root) { return Same(root.get(), c); });
  };
  if (!is_root(out.certificate_.get())) {
    X509_up_ref(out.certificate_.get());
    out.intermediates_.emplace_back(out.certificate_.get());
  }
  for (CertPtr& c : chain) {
    if (!is_root(c.get()) && !Same(c.get(), out.certificate_.get())) {
      out.intermediates_.push_back(std::move(c));
    }
  }
  for (const CertPtr& c : out.intermediates_) out.intermediates_pem_.push_back(ToPem(c.get()));
  return out;
}

absl::Time SigningCa::issuer_not_after() const { return NotAfter(certificate_.get()); }

absl::Time SigningCa::root_not_after() const {
  absl::Time out = absl::InfiniteFuture();
  for (const CertPtr& root : roots_) out = std::min(out, NotAfter(root.get()));
  return out;
}

absl::Time SigningCa::not_after() const {
  absl::Time out = std::min(issuer_not_after(), root_not_after());
  for (const CertPtr& c : intermediates_) out = std::min(out, NotAfter(c.get()));
  return out;
}

absl::Time SigningCa::not_before() const {
  absl::Time out = NotBefore(certificate_.get());
  for (const CertPtr& root : roots_) out = std::max(out, NotBefore(root.get()));
  return out;
}

}  // namespace meltemi::ca
