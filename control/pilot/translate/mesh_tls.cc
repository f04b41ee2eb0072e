#include "control/pilot/translate/mesh_tls.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "control/pilot/translate/proto_util.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::extensions::transport_sockets::tls::v3::CommonTlsContext;
using envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
using envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig;
using envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher;
using envoy::extensions::transport_sockets::tls::v3::TlsParameters;
using envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;

void SetSecret(const std::string& name, SdsSecretConfig* to) {
  to->set_name(name);
  SetAds(to->mutable_sds_config());
}

std::string IdentityIn(const std::string& domain, const model::Endpoint& endpoint) {
  return absl::StrCat("spiffe://", domain, "/ns/", endpoint.ns, "/sa/", endpoint.service_account);
}

std::string IdentityOf(const model::Endpoint& endpoint, const model::MeshConfig& mesh) {
  return IdentityIn(mesh.trust_domain, endpoint);
}

void AddName(bool prefix, const std::string& name, CommonTlsContext* to) {
  auto* match = to->mutable_combined_validation_context()
                    ->mutable_default_validation_context()
                    ->add_match_typed_subject_alt_names();
  match->set_san_type(SubjectAltNameMatcher::URI);
  if (prefix) {
    match->mutable_matcher()->set_prefix(name);
  } else {
    match->mutable_matcher()->set_exact(name);
  }
}

// Whoever is of our trust domain, by any of its names.
void AddOurs(const model::MeshConfig& mesh, CommonTlsContext* to) {
  for (const std::string& domain : model::TrustDomains(mesh)) {
    AddName(true, absl::StrCat("spiffe://", domain, "/"), to);
  }
}

// TLS 1.3 only: both ends are the mesh's.
void SetCommon(const std::string& certificate, CommonTlsContext* to) {
  to->mutable_tls_params()->set_tls_minimum_protocol_version(TlsParameters::TLSv1_3);
  SetSecret(certificate, to->add_tls_certificate_sds_secret_configs());
  SetSecret(
      "ROOTCA",
      to->mutable_combined_validation_context()->mutable_validation_context_sds_secret_config());
}

}  // namespace

std::optional<PeerTls> PeerTlsOf(const model::Model& model, const model::Endpoint& endpoint,
                                 uint32_t port, const model::MeshConfig& mesh) {
  switch (model.PeerModeFor(endpoint, port, mesh.root_namespace)) {
    case model::PeerMode::kStrict:
      return PeerTls::kStrict;
    case model::PeerMode::kDisable:
      return std::nullopt;
    case model::PeerMode::kPermissive:
    case model::PeerMode::kUnset:
      break;
  }
  return model::InMesh(endpoint) ? std::optional<PeerTls>(PeerTls::kPermissive) : std::nullopt;
}

bool TakesMeshTls(const model::Model& model, const model::Endpoint& endpoint,
                  const model::MeshConfig& mesh) {
  return model::InMesh(endpoint) && PeerTlsOf(model, endpoint, endpoint.port, mesh).has_value();
}

DownstreamTlsContext InboundTls(const model::Endpoint& endpoint, bool http,
                                const model::MeshConfig& mesh) {
  DownstreamTlsContext context;
  context.mutable_require_client_certificate()->set_value(true);
  CommonTlsContext* common = context.mutable_common_tls_context();
  SetCommon(IdentityOf(endpoint, mesh), common);
  AddOurs(mesh, common);
  if (http) {
    common->add_alpn_protocols("h2");
    common->add_alpn_protocols("http/1.1");
  }
  return context;
}

// Not offered: "istio-peer-exchange". A sidecar that agreed to it would send, and expect, a
// preface of Istio's own before the first byte.
UpstreamTlsContext OutboundTls(const model::MeshService& service, const model::MeshPort& port,
                               const std::string& subset, const model::ClientTls& tls,
                               Speaks speaks, const model::MeshConfig& mesh) {
  UpstreamTlsContext context;
  context.set_sni(tls.sni.empty() ? absl::StrCat("outbound_.", port.number, "_.", subset, "_.",
                                                 service.hostname)
                                  : tls.sni);
  CommonTlsContext* common = context.mutable_common_tls_context();
  SetCommon("source", common);
  std::set<std::string> names(tls.subject_alt_names.begin(), tls.subject_alt_names.end());
  if (names.empty()) {
    for (const model::Endpoint& endpoint : port.endpoints) {
      if (endpoint.service_account.empty()) continue;
      for (const std::string& domain : model::TrustDomains(mesh)) {
        names.insert(IdentityIn(domain, endpoint));
      }
    }
  }
  for (const std::string& name : names) AddName(false, name, common);
  if (names.empty()) AddOurs(mesh, common);
  // Of several versions the node offers the one that a connection speaks.
  const bool http = model::IsHttp(port.protocol);
  const bool http1 = http && speaks != Speaks::kHttp2, http2 = http && speaks != Speaks::kHttp1;
  if (http2) common->add_alpn_protocols("istio-h2");
  if (http1) common->add_alpn_protocols("istio-http/1.1");
  common->add_alpn_protocols("istio");
  if (http2) common->add_alpn_protocols("h2");
  if (http1) common->add_alpn_protocols("http/1.1");
  return context;
}

}  // namespace meltemi::control::pilot::translate
