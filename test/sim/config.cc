#include "test/sim/config.h"

#include "l7/base/check.h"

namespace meltemi::sim {
namespace {

constexpr uint32_t kUnlimited = UINT32_MAX;

template <typename Key>
uint32_t IdOf(const Key& key, std::map<Key, uint32_t>* ids) {
  return ids->try_emplace(key, static_cast<uint32_t>(ids->size()) + 1).first->second;
}

config::Route MakeRoute(const RouteSpec& spec, const config::Snapshot& snapshot) {
  config::Route route;
  route.name = spec.cluster;
  route.match.path_value = spec.prefix;
  config::WeightedCluster target;
  target.name = spec.cluster;
  target.weight = 1;
  const auto found = snapshot.cluster_by_name.find(spec.cluster);
  if (found != snapshot.cluster_by_name.end()) target.cluster = found->second;
  if (!spec.response_header.empty()) {
    route.headers.response_add.push_back({.name = "x-config", .value = spec.response_header});
  }
  config::Forward forward;
  forward.clusters.push_back(std::move(target));
  forward.total_weight = 1;
  forward.timeout = spec.timeout;
  if (spec.retry_count > 0) {
    forward.retry =
        config::RetryPolicy{.on = config::RetryPolicy::kConnectFailure |
                                  config::RetryPolicy::kReset | config::RetryPolicy::kGatewayError,
                            .retry_count_max = spec.retry_count,
                            .previous_hosts = true,
                            .host_selection_attempt_count_max = 5};
  }
  route.action = std::move(forward);
  return route;
}

}  // namespace

config::Cluster ConfigMaker::MakeCluster(const ClusterSpec& spec) {
  config::Cluster cluster;
  cluster.name = spec.name;
  cluster.stable_id = IdOf(spec.name, &cluster_ids_);
  cluster.lb = spec.lb;
  cluster.connect_timeout = spec.connect_timeout;
  cluster.idle_timeout = spec.idle_timeout;
  cluster.breaker = {kUnlimited, kUnlimited, kUnlimited, kUnlimited};
  for (const SockAddr& address : spec.endpoints) {
    config::Endpoint endpoint;
    endpoint.address = address;
    endpoint.stable_id = IdOf(std::make_pair(cluster.stable_id, address), &endpoint_ids_);
    cluster.endpoints.push_back(std::move(endpoint));
  }
  return cluster;
}

std::unique_ptr<config::Snapshot> ConfigMaker::Make(const ConfigSpec& spec) {
  auto snapshot = std::make_unique<config::Snapshot>();
  snapshot->sequence = ++sequence_;
  for (const ClusterSpec& c : spec.clusters) {
    snapshot->cluster_by_name[c.name] = static_cast<uint32_t>(snapshot->clusters.size());
    snapshot->clusters.push_back(MakeCluster(c));
  }
  config::RouteTable table;
  table.name = "80";
  config::VirtualHost host;
  host.name = "all";
  host.domains = {"*"};
  for (const RouteSpec& r : spec.routes) host.routes.push_back(MakeRoute(r, *snapshot));
  table.hosts.push_back(std::move(host));
  table.any = 0;
  snapshot->route_tables.push_back(std::move(table));

  config::HttpManager manager;
  manager.stat_prefix = "outbound_0.0.0.0_80";
  manager.route_table = 0;
  manager.route_table_name = "80";
  if (spec.access_log) manager.access_logs.push_back({"/dev/stdout", "%RESPONSE_CODE%\n"});
  config::Listener listener;
  listener.name = "0.0.0.0_80";
  listener.direction = config::Direction::kOutbound;
  listener.addresses = {{*IpAddr::Parse("0.0.0.0"), 80}, {*IpAddr::Parse("::"), 80}};
  listener.filter = std::move(manager);
  for (const SockAddr& address : listener.addresses) snapshot->outbound[address] = 0;
  snapshot->listeners.push_back(std::move(listener));
  return snapshot;
}

}  // namespace meltemi::sim
