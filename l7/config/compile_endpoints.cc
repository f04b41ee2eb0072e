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

absl::StatusOr<Endpoint> CompileEndpoint(const FromEndpoint& from) {
  Endpoint to;
  if (!from.has_endpoint()) return Invalid("endpoint", "must be set");
  ASSIGN_OR_RETURN_AT(to.address, "endpoint.address", CompileAddress(from.endpoint().address()));
  if (to.address.ip.unspecified() || to.address.ip.multicast()) {
    return Invalid("endpoint.address.socket_address.address",
                   Cat(to.address.ip.ToString(), " is not the address of a host"));
  }
  if (from.has_load_balancing_weight()) {
    to.weight = from.load_balancing_weight().value();
    if (to.weight == 0) return Invalid("load_balancing_weight", "must be above 0");
  }
  auto health = CompileHealth(from);
  if (!health.ok()) return health.status();
  to.health = *health;
  to.workload = WorkloadOf(from.metadata());
  return to;
}

absl::Status CheckPolicy(const FromAssignment& from) {
  constexpr uint32_t kEnvoyDefault = 140;
  if (!from.policy().has_overprovisioning_factor()) return absl::OkStatus();
  if (from.policy().overprovisioning_factor().value() == kEnvoyDefault) return absl::OkStatus();
  return Invalid("policy.overprovisioning_factor", "only 140 is supported");
}

}  // namespace

absl::StatusOr<std::vector<Endpoint>> CompileEndpoints(CompileContext* context, uint32_t cluster_id,
                                                       const FromAssignment& from) {
  constexpr uint32_t kPriorityMax = 128;  // as in Envoy
  RETURN_IF_ERROR(context->fields.Check(from));
  RETURN_IF_ERROR(CheckPolicy(from));
  std::vector<Endpoint> to;
  absl::flat_hash_set<SockAddr> addresses;
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
      if (++context->endpoint_count > limits::kConfigEndpointsMax) {
        return Invalid(step(), Cat("more than ", limits::kConfigEndpointsMax, " endpoints"));
      }
      ASSIGN_OR_RETURN_AT(Endpoint endpoint, step(), CompileEndpoint(locality.lb_endpoints(j)));
      if (!addresses.insert(endpoint.address).second) {
        return Invalid(step(), Cat(endpoint.address.ToString(), " is given twice"));
      }
      endpoint.priority = locality.priority();
      endpoint.locality = locality_text;
      endpoint.stable_id = context->ids->Endpoint(cluster_id, endpoint.address);
      to.push_back(std::move(endpoint));
    }
  }
  return to;
}

}  // namespace meltemi::config
