// Settings of the whole mesh, by Istio's MeshConfig names. Pure.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_MESH_CONFIG_H_
#define MELTEMI_CONTROL_PILOT_MODEL_MESH_CONFIG_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "control/pilot/model/problem.h"
#include "control/pilot/model/types.h"

namespace meltemi::control::pilot::model {

struct MeshConfig {
  // accessLogFile: where nodes write access logs; empty: none.
  std::string access_log_file;
  // outboundTrafficPolicy.mode: what becomes of requests to hosts nobody defined.
  enum class Outbound { kAllowAny, kRegistryOnly } outbound = Outbound::kAllowAny;
  // connectTimeout of clusters whose DestinationRule says nothing.
  absl::Duration connect_timeout = absl::Seconds(10);
  // protocolDetectionTimeout: how long a client of a port that takes TLS and plain TCP may say
  // nothing before it is taken as plain, so that servers that speak first are heard. Zero: as long
  // as it takes, which is Istio's default and lets no such server through.
  absl::Duration protocol_detection_timeout = absl::Seconds(5);
  // h2UpgradePolicy: HTTP/2 to services of HTTP whose DestinationRule says nothing of it.
  bool h2_upgrade = false;
  // enableAutoMtls: mutual TLS to endpoints that take it, whatever no DestinationRule forbids.
  bool auto_mtls = true;
  std::string trust_domain = "cluster.local";  // trustDomain: of the identities of workloads
  // trustDomainAliases: other names of it, at most kTrustDomainAliasesMax. Peers of an alias are
  // taken for the same as ours.
  std::vector<std::string> trust_domain_aliases;
  // defaultConfig.gatewayTopology.proxyProtocol: who connects to a gateway is a load balancer,
  // which says by the PROXY protocol who its client is.
  bool gateway_proxy_protocol = false;
  std::optional<LocalityLb> locality_lb;  // localityLbSetting, where no DestinationRule has one
  std::string root_namespace = "istio-system";  // rootNamespace: whose policies are the mesh's
};

inline constexpr size_t kTrustDomainAliasesMax = 16;  // the CA's, too

// Our own domain first, then the aliases.
std::vector<std::string> TrustDomains(const MeshConfig& mesh);

// Reads a MeshConfig document; problems name `file`.
MeshConfig ParseMeshConfig(const std::string& file, const std::string& text, Problems* problems);

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_MESH_CONFIG_H_
