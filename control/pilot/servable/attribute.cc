#include "control/pilot/servable/attribute.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.pb.h"

namespace meltemi::control::pilot::servable {
namespace {

using model::Problem;

std::string Message(const std::string& why) {
  return absl::StrCat("not supported by meltemi-node yet: ", why);
}

uint32_t Number(std::string_view text) {
  uint32_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "outbound|9080|v1|reviews.default.svc.cluster.local"; what does not exist is null.
struct ClusterOrigin {
  const model::MeshService* service = nullptr;
  const model::MeshPort* port = nullptr;
  const model::DestinationRule* rule = nullptr;
  const model::Subset* subset = nullptr;
};

ClusterOrigin OriginOf(const model::Model& model, const std::string& cluster) {
  ClusterOrigin origin;
  const std::vector<std::string> parts = absl::StrSplit(cluster, '|');
  if (parts.size() != 4) return origin;
  origin.service = model.FindService(parts[3]);
  if (origin.service == nullptr) return origin;
  if (parts[0] == "outbound_udp") {
    for (const model::MeshPort& port : origin.service->udp_ports) {
      if (port.number == Number(parts[1])) origin.port = &port;
    }
  } else {
    origin.port = origin.service->Port(Number(parts[1]));
  }
  origin.rule = model.DestinationRuleFor(parts[3]);
  if (origin.rule == nullptr) return origin;
  for (const model::Subset& subset : origin.rule->subsets) {
    if (subset.name == parts[2]) origin.subset = &subset;
  }
  return origin;
}

Problem Of(const model::Meta& meta, std::string path, const std::string& why) {
  return {meta.file, meta.Object(), std::move(path), Message(why)};
}

// What cannot be traced back to an object of the operator's.
Problem OfNobody(const std::string& resource, const std::string& why) {
  return {"", resource, "", Message(why)};
}

enum class Block { kBalancer, kPool, kOutlier, kTls };

// Which block of a traffic policy a field of a cluster comes from.
constexpr struct {
  const char* field;
  Block block;
  const char* path;  // within the block
} kPolicyFields[] = {
    {"upstream_connection_options", Block::kPool, ".tcp.tcpKeepalive"},
    {"connect_timeout", Block::kPool, ".tcp.connectTimeout"},
    {"circuit_breakers", Block::kPool, ""},
    {"common_http_protocol_options", Block::kPool, ".http"},
    {"outlier_detection", Block::kOutlier, ""},
    {"locality_weighted_lb_config", Block::kBalancer, ".localityLbSetting"},
    {"common_lb_config", Block::kOutlier, ".minHealthPercent"},
    {"lb_policy", Block::kBalancer, ".simple"},
    {"transport_socket", Block::kTls, ""},
};

std::string PolicyPath(const ClusterOrigin& origin, const std::string& why) {
  if (origin.rule == nullptr || origin.port == nullptr) return "";
  const std::string field = why.substr(0, why.find(": "));
  const model::TrafficBlocks blocks =
      translate::BlocksFor(origin.rule, origin.subset, origin.port->number);
  for (const auto& known : kPolicyFields) {
    if (!absl::StrContains(field, known.field)) continue;
    const std::string* base = nullptr;
    switch (known.block) {
      case Block::kBalancer:
        base = &blocks.balancer_path;
        break;
      case Block::kPool:
        base = &blocks.pool_path;
        break;
      case Block::kOutlier:
        base = &blocks.outlier_path;
        break;
      case Block::kTls:
        base = &blocks.tls_path;
        break;
    }
    if (!base->empty()) return absl::StrCat(*base, known.path);
  }
  return "";
}

// The field of an HTTP rule that a field of a route comes from.
constexpr std::pair<const char*, const char*> kRouteFields[] = {
    {"route.retry_policy", ".retries"},
    {"route.timeout", ".timeout"},
    {"route.prefix_rewrite", ".rewrite.uri"},
    {"route.host_rewrite_literal", ".rewrite.authority"},
    {"route.regex_rewrite", ".rewrite.uriRegexRewrite"},
    {"route.", ".route"},
    {"redirect", ".redirect"},
    {"direct_response", ".directResponse"},
    {"typed_per_filter_config", ".fault"},
    {"request_headers", ".headers.request"},
    {"response_headers", ".headers.response"},
};

// "reviews.default.svc.cluster.local:9080"
std::pair<const model::MeshService*, uint32_t> ServiceOf(const model::Model& model,
                                                         const std::string& virtual_host) {
  const size_t colon = virtual_host.rfind(':');
  if (colon == std::string::npos) return {nullptr, 0};
  return {model.FindService(virtual_host.substr(0, colon)),
          Number(std::string_view(virtual_host).substr(colon + 1))};
}

// `path` of a route's match or rule, and the field of the rule that `why` is about.
std::string FieldOf(std::string path, const std::string& why) {
  if (!absl::StartsWith(why, "match")) path = path.substr(0, path.find(".match["));
  for (const auto& [field, istio] : kRouteFields) {
    if (absl::StartsWith(why, field)) return path + istio;
  }
  return path;
}

// At a gateway several rules may share a host: their routes say whose they are.
std::optional<Problem> GatewayRouteProblem(const model::Model& model,
                                           const envoy::config::route::v3::Route& route,
                                           const std::string& why) {
  const auto& metadata = route.metadata().filter_metadata();
  const auto origin = metadata.find(translate::kOrigin);
  if (origin == metadata.end()) return std::nullopt;
  const auto& fields = origin->second.fields();
  for (const model::VirtualService& rule : model.virtual_services()) {
    if (translate::ConfigName(rule.meta) != fields.at("config").string_value()) continue;
    return Of(rule.meta, FieldOf(fields.at("field").string_value(), why), why);
  }
  return std::nullopt;
}

// The filter chains of gateways are called "NAMESPACE/NAME spec.servers[N]", and perhaps more.
std::optional<Problem> GatewayProblem(const model::Model& model,
                                      const envoy::config::listener::v3::Listener& listener,
                                      const std::string& why) {
  int chain = 0;  // where the reason names none, any of them will do
  for (int i = 0; i < listener.filter_chains_size(); ++i) {
    if (absl::StartsWith(why, absl::StrCat("filter_chains[", i, "]"))) chain = i;
  }
  if (listener.filter_chains_size() == 0) return std::nullopt;
  const std::vector<std::string> name = absl::StrSplit(listener.filter_chains(chain).name(), ' ');
  const model::Gateway* gateway = name.size() < 2 ? nullptr : model.FindGateway(name[0]);
  if (gateway == nullptr) return std::nullopt;
  return Of(gateway->meta, name[1], absl::StrCat(why, " (Listener \"", listener.name(), "\")"));
}

}  // namespace

Problem ClusterProblem(const model::Model& model, const std::string& cluster,
                       const std::string& why) {
  const ClusterOrigin origin = OriginOf(model, cluster);
  const std::string envoy = absl::StrCat(why, " (Cluster \"", cluster, "\")");
  if (origin.service == nullptr) return OfNobody(absl::StrCat("Cluster \"", cluster, "\""), why);
  const model::Meta& service = origin.service->meta;
  if (absl::StartsWith(why, "type: ")) return Of(service, "spec.resolution", envoy);
  if (const std::string path = PolicyPath(origin, why); !path.empty()) {
    return Of(origin.rule->meta, path, envoy);
  }
  return Of(service, origin.port == nullptr ? "" : origin.port->path, envoy);
}

Problem EndpointProblem(const model::Model& model, const std::string& cluster,
                        const std::string& why) {
  const ClusterOrigin origin = OriginOf(model, cluster);
  const std::string name = absl::StrCat("ClusterLoadAssignment \"", cluster, "\"");
  if (origin.service == nullptr) return OfNobody(name, why);
  return Of(origin.service->meta, origin.port == nullptr ? "" : origin.port->path,
            absl::StrCat(why, " (", name, ")"));
}

Problem ListenerProblem(const model::Model& model,
                        const envoy::config::listener::v3::Listener& listener,
                        const std::string& why) {
  if (auto problem = GatewayProblem(model, listener, why)) return *std::move(problem);
  const std::string name = absl::StrCat("Listener \"", listener.name(), "\"");
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  for (const auto& chain : listener.filter_chains()) {
    for (const auto& filter : chain.filters()) {
      if (!filter.typed_config().UnpackTo(&proxy)) continue;
      // Pilot names the statistics of a TCP proxy after the service's cluster.
      const ClusterOrigin origin = OriginOf(model, proxy.stat_prefix());
      if (origin.service == nullptr) break;
      return Of(origin.service->meta, origin.port == nullptr ? "" : origin.port->path,
                absl::StrCat(why, " (", name, ")"));
    }
  }
  envoy::extensions::filters::udp::udp_proxy::v3::UdpProxyConfig udp;
  for (const auto& filter : listener.listener_filters()) {
    if (!filter.typed_config().UnpackTo(&udp)) continue;
    const ClusterOrigin origin = OriginOf(model, udp.stat_prefix());
    if (origin.service == nullptr) break;
    return Of(origin.service->meta, origin.port == nullptr ? "" : origin.port->path,
              absl::StrCat(why, " (", name, ")"));
  }
  return OfNobody(name, why);
}

Problem HostProblem(const model::Model& model, const std::string& virtual_host,
                    const std::string& why) {
  const model::MeshService* service = ServiceOf(model, virtual_host).first;
  const std::string name = absl::StrCat("virtual host \"", virtual_host, "\"");
  if (service == nullptr) return OfNobody(name, why);
  return Of(service->meta, "", absl::StrCat(why, " (", name, ")"));
}

Problem RouteProblem(const model::Model& model, const std::string& virtual_host, int index,
                     const envoy::config::route::v3::Route& route, const std::string& why) {
  if (auto problem = GatewayRouteProblem(model, route, why)) return *std::move(problem);
  const auto [service, port] = ServiceOf(model, virtual_host);
  if (service == nullptr) return HostProblem(model, virtual_host, why);
  const model::VirtualService* rule = model.VirtualServiceFor(service->hostname);
  const std::vector<translate::RuleRoute> routes =
      translate::RoutesFor(model, rule, *service, port, nullptr);
  if (rule == nullptr || index < 0 || static_cast<size_t>(index) >= routes.size() ||
      routes[index].path.empty()) {
    return HostProblem(model, virtual_host, why);
  }
  return Of(rule->meta, FieldOf(translate::RulePath(routes[index]), why), why);
}

}  // namespace meltemi::control::pilot::servable
