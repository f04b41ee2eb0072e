#include "control/pilot/translate/secrets.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ca/x509/certificate.h"
#include "ca/x509/key.h"
#include "ca/x509/openssl.h"
#include "control/pilot/translate/proto_util.h"

namespace meltemi::control::pilot::translate {
namespace {

namespace tls_v3 = envoy::extensions::transport_sockets::tls::v3;

constexpr char kCaSuffix[] = "-cacert";

const std::string* Find(const model::Secret& secret, const char* key) {
  const auto found = secret.data.find(key);
  return found == secret.data.end() || found->second.empty() ? nullptr : &found->second;
}

std::string In(const model::Secret& secret, const std::string& what) {
  return absl::StrCat(secret.meta.Object(), ": ", what);
}

// "" or why the pair cannot serve.
std::string CheckPair(const std::string& chain, const std::string& key) {
  const auto certificates = ca::CertificatesFromPem(chain);
  if (!certificates.ok()) {
    return absl::StrCat("its certificate: ", certificates.status().message());
  }
  const auto own = ca::PrivateKeyFromPem(key, "");
  if (!own.ok()) return absl::StrCat("its key: ", own.status().message());
  if (ca::IsKeyOf(own->get(), certificates->front().get())) return "";
  return "its key is not that of its certificate";
}

// As Istio: a generic secret's `cert` and `key`, else those of kubernetes.io/tls.
std::string ReadPair(const model::Secret& secret, tls_v3::Secret* out) {
  const std::string* chain = Find(secret, "cert");
  const std::string* key = Find(secret, "key");
  if (chain == nullptr || key == nullptr) {
    chain = Find(secret, "tls.crt");
    key = Find(secret, "tls.key");
  }
  if (chain == nullptr || key == nullptr) {
    return In(secret, "has neither tls.crt with tls.key, nor cert with key");
  }
  if (const std::string why = CheckPair(*chain, *key); !why.empty()) return In(secret, why);
  auto* certificate = out->mutable_tls_certificate();
  certificate->mutable_certificate_chain()->set_inline_bytes(*chain);
  certificate->mutable_private_key()->set_inline_bytes(*key);
  return "";
}

std::string ReadCa(const model::Secret& secret, tls_v3::Secret* out) {
  const std::string* ca = Find(secret, "cacert");
  if (ca == nullptr) ca = Find(secret, "ca.crt");
  if (ca == nullptr) return In(secret, "has neither ca.crt nor cacert");
  for (const char* list : {"ca.crl", "crl"}) {
    if (Find(secret, list) != nullptr) {
      return In(secret, absl::StrCat(list, " is not supported yet"));
    }
  }
  const auto roots = ca::CertificatesFromPem(*ca);
  if (!roots.ok()) return In(secret, absl::StrCat("its CA: ", roots.status().message()));
  out->mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(*ca);
  return "";
}

// Each reads a secret by name; "" or why there is none.
std::string MakePair(const model::Model& model, const std::string& ns, const std::string& name,
                     tls_v3::Secret* out) {
  const model::Secret* secret = model.FindSecret(ns, name);
  if (secret == nullptr) return absl::StrCat("Secret ", ns, "/", name, " is not there");
  out->set_name(SecretName(ns, name));
  return ReadPair(*secret, out);
}

// As Istio: what NAME-cacert says, else NAME itself.
std::string MakeCa(const model::Model& model, const std::string& ns, const std::string& name,
                   tls_v3::Secret* out) {
  const model::Secret* secret = model.FindSecret(ns, name + kCaSuffix);
  if (secret == nullptr) secret = model.FindSecret(ns, name);
  if (secret == nullptr) return absl::StrCat("Secret ", ns, "/", name, " is not there");
  out->set_name(SecretName(ns, name + kCaSuffix));
  return ReadCa(*secret, out);
}

bool Verifies(const model::ServerTls& tls) {
  return tls.mode == model::ServerTlsMode::kMutual ||
         tls.mode == model::ServerTlsMode::kOptionalMutual;
}

void AddFor(const std::string& node, tls_v3::Secret secret, Resources* out) {
  auto found = std::find_if(out->secrets.begin(), out->secrets.end(), [&](const auto& other) {
    return other.message.name() == secret.name();
  });
  if (found == out->secrets.end()) {
    // A version is shown to everybody: it must say nothing of the key.
    std::string version = ca::Sha256Hex(DeterministicBytes(secret)).substr(0, 16);
    found = out->secrets.insert(found, {std::move(secret), std::move(version), {}});
  }
  if (!node.empty()) found->nodes.insert(node);
}

}  // namespace

std::string SecretName(const std::string& ns, const std::string& credential) {
  return absl::StrCat("kubernetes://", ns, "/", credential);
}

bool AddServerSecrets(const model::Model& model, const model::Endpoint& workload,
                      const Server& server, Resources* out) {
  const std::string& name = server->tls->credential_name;
  if (name.empty()) return true;
  tls_v3::Secret pair, ca;
  std::string why = MakePair(model, workload.ns, name, &pair);
  if (why.empty() && Verifies(*server->tls)) why = MakeCa(model, workload.ns, name, &ca);
  if (!why.empty()) {
    const model::Meta& meta = server.gateway->meta;
    model::Problem problem{meta.file, meta.Object(),
                           absl::StrCat("spec.servers[", server.index, "].tls.credentialName"),
                           absl::StrCat("not served: ", why)};
    const bool known =
        std::find(out->problems.begin(), out->problems.end(), problem) != out->problems.end();
    if (!known) out->problems.push_back(std::move(problem));
    return false;
  }
  AddFor(workload.node, std::move(pair), out);
  if (!ca.name().empty()) AddFor(workload.node, std::move(ca), out);
  return true;
}

void UseServerSecrets(const model::Endpoint& workload, const model::ServerTls& tls,
                      tls_v3::CommonTlsContext* common) {
  const auto set = [&](const std::string& name, tls_v3::SdsSecretConfig* to) {
    to->set_name(SecretName(workload.ns, name));
    SetAds(to->mutable_sds_config());
  };
  set(tls.credential_name, common->add_tls_certificate_sds_secret_configs());
  if (!Verifies(tls)) return;
  set(tls.credential_name + kCaSuffix, common->mutable_combined_validation_context()
                                           ->mutable_validation_context_sds_secret_config());
}

}  // namespace meltemi::control::pilot::translate
