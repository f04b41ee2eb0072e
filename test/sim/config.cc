#include "test/sim/config.h"

#include <string>

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

config::HttpManager MakeManager(const ConfigSpec& spec) {
  config::HttpManager manager;
  manager.stat_prefix = "outbound_0.0.0.0_80";
  manager.route_table = 0;
  manager.idle_timeout = spec.http_idle_timeout;
  manager.route_table_name = "80";
  if (spec.access_log) manager.access_logs.push_back({"/dev/stdout", "%RESPONSE_CODE%\n"});
  return manager;
}

std::vector<SockAddr> AnyAddress(uint16_t port) {
  return {{*IpAddr::Parse("0.0.0.0"), port}, {*IpAddr::Parse("::"), port}};
}

void AddListener(config::Listener listener, config::Snapshot* snapshot) {
  auto& found =
      listener.direction == config::Direction::kInbound ? snapshot->inbound : snapshot->outbound;
  const auto index = static_cast<uint32_t>(snapshot->listeners.size());
  for (const SockAddr& address : listener.addresses) found[address] = index;
  snapshot->listeners.push_back(std::move(listener));
}

config::Listener MakeTcpListener(const TcpSpec& spec, const ConfigSpec& config,
                                 const config::Snapshot& snapshot) {
  config::TcpProxy proxy{.stat_prefix = "tcp"};
  config::WeightedCluster target{.weight = 1, .name = spec.cluster};
  const auto found = snapshot.cluster_by_name.find(spec.cluster);
  if (found != snapshot.cluster_by_name.end()) target.cluster = found->second;
  proxy.clusters.push_back(std::move(target));
  proxy.total_weight = 1;
  proxy.idle_timeout = spec.idle_timeout;
  proxy.connect_attempt_count_max = spec.connect_attempt_count_max;
  if (config.access_log) proxy.access_logs.push_back({"/dev/stdout", "%RESPONSE_FLAGS%\n"});
  config::Listener listener{.name = "tcp_" + std::to_string(spec.port),
                            .addresses = AnyAddress(spec.port),
                            .direction = config.direction};
  listener.filter = std::move(proxy);
  return listener;
}

void AddUdpListener(const UdpSpec& spec, config::Snapshot* snapshot) {
  const auto index = static_cast<uint32_t>(snapshot->udp_listeners.size());
  const auto cluster = snapshot->cluster_by_name.find(spec.cluster);
  for (const SockAddr& address : spec.addresses) snapshot->udp[address] = index;
  snapshot->udp_listeners.push_back(
      {.name = "udp_" + std::to_string(index),
       .addresses = spec.addresses,
       .stat_prefix = spec.cluster,
       .cluster = cluster == snapshot->cluster_by_name.end() ? config::kNoIndex : cluster->second,
       .cluster_name = spec.cluster,
       .idle_timeout = spec.idle_timeout});
}

}  // namespace

config::Cluster ConfigMaker::MakeCluster(const ClusterSpec& spec) {
  config::Cluster cluster;
  cluster.name = spec.name;
  cluster.stable_id = IdOf(spec.name, &cluster_ids_);
  cluster.lb = spec.lb;
  if (spec.original_destination) {
    cluster.discovery = config::Discovery::kOriginalDst;
    cluster.lb = config::LbPolicy::kClusterProvided;
  }
  cluster.connect_timeout = spec.connect_timeout;
  cluster.idle_timeout = spec.idle_timeout;
  cluster.tls = {.settings = spec.tls};
  cluster.outlier = spec.outlier;
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

  config::Listener listener;
  listener.name = "0.0.0.0_" + std::to_string(spec.http_port);
  listener.direction = spec.direction;
  listener.tls = spec.tls;
  listener.addresses = AnyAddress(spec.http_port);
  listener.filter = MakeManager(spec);
  if (spec.chains) {
    config::Listener plain{.name = listener.name + "#raw_buffer", .filter = MakeManager(spec)};
    config::Listener with_tls{
        .name = listener.name + "#tls", .tls = spec.tls, .filter = MakeManager(spec)};
    listener.tls = config::kNoTls;
    listener.chains = {{{.transport = config::Transport::kTls}, 1},
                       {{.transport = config::Transport::kPlain}, 2}};
    AddListener(std::move(listener), snapshot.get());
    AddListener(std::move(with_tls), snapshot.get());
    AddListener(std::move(plain), snapshot.get());
  } else {
    AddListener(std::move(listener), snapshot.get());
  }
  for (const TcpSpec& tcp : spec.tcp) {
    AddListener(MakeTcpListener(tcp, spec, *snapshot), snapshot.get());
  }
  for (const UdpSpec& udp : spec.udp) AddUdpListener(udp, snapshot.get());
  return snapshot;
}

}  // namespace meltemi::sim
