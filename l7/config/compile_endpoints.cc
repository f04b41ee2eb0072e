#include "absl/container/flat_hash_set.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromAssignment = envoy::config::endpoint::v3::ClusterLoadAssignment;
using FromEndpoint = envoy::config::endpoint::v3::LbEndpoint;

absl::StatusOr<Health> CompileHealth(const FromEndpoint& from) {
  switch (from.health_status()) {
    case envoy::config::core::v3::UNKNOWN:
    case envoy::config::core::v3::HEALTHY:
      return Health::kHealthy;
    case envoy::config::core::v3::DEGRADED:
      return Health::kDegraded;
    case envoy::config::core::v3::UNHEALTHY:
    case envoy::config::core::v3::TIMEOUT:
      return Health::kUnhealthy;
    case envoy::config::core::v3::DRAINING:
      return Health::kDraining;
    default:  // open enum of proto3
      return Invalid("health_status", Cat(from.health_status(), " is not known"));
  }
}

std::string LocalityText(const envoy::config::core::v3::Locality& from) {
  if (from.region().empty() && from.zone().empty() && from.sub_zone().empty()) return "";
  return Cat(from.region(), "/", from.zone(), "/", from.sub_zone());
}

std::string WorkloadOf(const envoy::config::core::v3::Metadata& from) {
  const auto istio = from.filter_metadata().find("istio");
  if (istio == from.filter_metadata().end()) return "";
  const auto workload = istio->second.fields().find("workload");
  return workload == istio->second.fields().end() ? "" : workload->second.string_value();
}

bool InMesh(const envoy::config::core::v3::Metadata& from) {
  const auto match = from.filter_metadata().find("envoy.transport_socket_match");
  if (match == from.filter_metadata().end()) return false;
  const auto mode = match->second.fields().find("tlsMode");
  return mode != match->second.fields().end() && mode->second.string_value() == "istio";
}

absl::Status CheckHost(const IpAddr& ip) {
  if (!ip.unspecified() && !ip.multicast()) return absl::OkStatus();
  return Invalid("endpoint.address.socket_address.address",
                 Cat(ip.ToString(), " is not the address of a host"));
}

// All but the address.
absl::StatusOr<Endpoint> CompileEndpoint(const FromEndpoint& from) {
  Endpoint to;
  if (!from.has_endpoint()) return Invalid("endpoint", "must be set");
  if (from.has_load_balancing_weight()) {
    to.weight = from.load_balancing_weight().value();
    if (to.weight == 0) return Invalid("load_balancing_weight", "must be above 0");
  }
  auto health = CompileHealth(from);
  if (!health.ok()) return health.status();
  to.health = *health;
  to.workload = WorkloadOf(from.metadata());
  to.mesh = InMesh(from.metadata());
  const auto& check = from.endpoint().health_check_config();
  if (check.port_value() > UINT16_MAX) {
    return Invalid("endpoint.health_check_config.port_value", "must be at most 65535");
  }
  to.check_port = static_cast<uint16_t>(check.port_value());
  to.unchecked = check.disable_active_health_check();
  return to;
}

absl::Status CheckPolicy(const FromAssignment& from) {
  if (OverprovisioningPercent(from) > 0) return absl::OkStatus();
  return Invalid("policy.overprovisioning_factor", "must be above 0");
}

using FromCluster = envoy::config::cluster::v3::Cluster;

// How a DNS cluster's names become addresses.
struct Naming {
  const ResolvedNames* resolved;  // may be null
  FromCluster::DnsLookupFamily family;
  size_t address_count_max;  // per name
};

// Of the family that is wanted, in order.
std::vector<IpAddr> Choose(const std::vector<IpAddr>& known, const Naming& naming) {
  std::vector<IpAddr> v4, v6;
  for (const IpAddr& ip : known) {
    if (CheckHost(ip).ok()) (ip.v4() ? v4 : v6).push_back(ip);
  }
  std::vector<IpAddr> chosen;
  switch (naming.family) {
    case FromCluster::V4_ONLY:
      chosen = std::move(v4);
      break;
    case FromCluster::V6_ONLY:
      chosen = std::move(v6);
      break;
    case FromCluster::V4_PREFERRED:
      chosen = v4.empty() ? std::move(v6) : std::move(v4);
      break;
    case FromCluster::ALL:
      chosen = std::move(v6);
      chosen.insert(chosen.end(), v4.begin(), v4.end());
      break;
    case FromCluster::AUTO:
    default:  // open enum of proto3; checked by the caller
      chosen = v6.empty() ? std::move(v4) : std::move(v6);
      break;
  }
  if (chosen.size() > naming.address_count_max) chosen.resize(naming.address_count_max);
  return chosen;
}

// One address, or what the name stands for.
absl::StatusOr<std::vector<SockAddr>> CompileAddresses(const FromEndpoint& from,
                                                       const Naming* naming) {
  const auto& address = from.endpoint().address();
  const std::string& name = address.socket_address().address();
  if (naming == nullptr || IpAddr::Parse(name).has_value()) {
    ASSIGN_OR_RETURN_AT(const SockAddr one, "endpoint.address", CompileAddress(address));
    RETURN_IF_ERROR(CheckHost(one.ip));
    return std::vector<SockAddr>{one};
  }
  constexpr size_t kNameBytesMax = 253;  // RFC 1035 2.3.4, without the root's dot
  if (name.empty() || name.size() > kNameBytesMax || name.find('\0') != std::string::npos) {
    return Invalid("endpoint.address.socket_address.address", "is not the name of a host");
  }
  // The rest of the address is judged with any IP in the name's place.
  auto numeric = address;
  numeric.mutable_socket_address()->set_address("127.0.0.1");
  ASSIGN_OR_RETURN_AT(const SockAddr port, "endpoint.address", CompileAddress(numeric));
  std::vector<SockAddr> to;
  if (naming->resolved == nullptr) return to;
  const auto known = naming->resolved->find(name);
  if (known == naming->resolved->end()) return to;
  for (const IpAddr& ip : Choose(known->second, *naming)) to.push_back({ip, port.port});
  return to;
}

absl::StatusOr<std::vector<Endpoint>> CompileAll(CompileContext* context, uint32_t cluster_id,
                                                 const FromAssignment& from, const Naming* naming) {
  constexpr uint32_t kPriorityMax = 128;  // as in Envoy
  RETURN_IF_ERROR(context->fields.Check(from));
  RETURN_IF_ERROR(CheckPolicy(from));
  std::vector<Endpoint> to;
  absl::flat_hash_set<SockAddr> known;
  for (int i = 0; i < from.endpoints_size(); ++i) {
    const auto& locality = from.endpoints(i);
    if (locality.priority() > kPriorityMax) {
      return Invalid(Cat(Indexed("endpoints", i), ".priority"), "must be at most 128");
    }
    const std::string locality_text = LocalityText(locality.locality());
    for (int j = 0; j < locality.lb_endpoints_size(); ++j) {
      const auto step = [&] {
        return Cat(Indexed("endpoints", i), ".", Indexed("lb_endpoints", j));
      };
      ASSIGN_OR_RETURN_AT(Endpoint endpoint, step(), CompileEndpoint(locality.lb_endpoints(j)));
      ASSIGN_OR_RETURN_AT(const std::vector<SockAddr> addresses, step(),
                          CompileAddresses(locality.lb_endpoints(j), naming));
      endpoint.priority = locality.priority();
      endpoint.locality = locality_text;
      endpoint.locality_weight = locality.load_balancing_weight().value();
      for (const SockAddr& address : addresses) {
        if (++context->endpoint_count > limits::kConfigEndpointsMax) {
          return Invalid(step(), Cat("more than ", limits::kConfigEndpointsMax, " endpoints"));
        }
        if (!known.insert(address).second) {
          if (naming != nullptr) continue;  // two names of one host
          return Invalid(step(), Cat(address.ToString(), " is given twice"));
        }
        endpoint.address = address;
        endpoint.stable_id = context->ids->Endpoint(cluster_id, address);
        to.push_back(endpoint);
      }
    }
  }
  return to;
}

}  // namespace

uint32_t OverprovisioningPercent(const FromAssignment& from) {
  return from.policy().has_overprovisioning_factor()
             ? from.policy().overprovisioning_factor().value()
             : Cluster().overprovisioning_percent;
}

absl::StatusOr<std::vector<Endpoint>> CompileEndpoints(CompileContext* context, uint32_t cluster_id,
                                                       const FromAssignment& from) {
  return CompileAll(context, cluster_id, from, nullptr);
}

absl::StatusOr<std::vector<Endpoint>> CompileDnsEndpoints(CompileContext* context,
                                                          const FromCluster& from,
                                                          const Cluster& to) {
  const FromAssignment& assignment = from.load_assignment();
  Naming naming{.resolved = context->resolved,
                .family = from.dns_lookup_family(),
                .address_count_max = SIZE_MAX};
  if (to.discovery == Discovery::kLogicalDns) {
    naming.address_count_max = 1;
    if (assignment.endpoints_size() != 1 || assignment.endpoints(0).lb_endpoints_size() != 1) {
      return Invalid("endpoints", "a LOGICAL_DNS cluster has one endpoint");
    }
  }
  return CompileAll(context, to.stable_id, assignment, &naming);
}

}  // namespace meltemi::config
