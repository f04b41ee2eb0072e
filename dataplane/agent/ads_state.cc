#include "dataplane/agent/ads_state.h"

#include <utility>

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "google/protobuf/util/json_util.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::listener::v3::Listener;
using envoy::config::route::v3::RouteConfiguration;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

const std::string& NameOf(const Cluster& m) { return m.name(); }
const std::string& NameOf(const ClusterLoadAssignment& m) { return m.cluster_name(); }
const std::string& NameOf(const Listener& m) { return m.name(); }
const std::string& NameOf(const RouteConfiguration& m) { return m.name(); }

std::string EdsName(const Cluster& c) {
  return c.eds_cluster_config().service_name().empty() ? c.name()
                                                       : c.eds_cluster_config().service_name();
}

// Calls f for the connection manager or TCP proxy of each filter chain.
template <typename Http, typename Tcp>
void ForEachFilter(const Listener& listener, Http&& http, Tcp&& tcp) {
  for (const auto& chain : listener.filter_chains()) {
    for (const auto& filter : chain.filters()) {
      HttpConnectionManager manager;
      TcpProxy proxy;
      if (filter.typed_config().Is<HttpConnectionManager>()) {
        if (filter.typed_config().UnpackTo(&manager)) http(manager);
      } else if (filter.typed_config().Is<TcpProxy>()) {
        if (filter.typed_config().UnpackTo(&proxy)) tcp(proxy);
      }
    }
  }
}

void AddReferences(const RouteConfiguration& routes, std::set<std::string>* names) {
  for (const auto& host : routes.virtual_hosts()) {
    for (const auto& route : host.routes()) {
      if (!route.route().cluster().empty()) names->insert(route.route().cluster());
      for (const auto& weighted : route.route().weighted_clusters().clusters()) {
        names->insert(weighted.name());
      }
    }
  }
}

template <typename Message>
std::vector<const Message*> Pointers(const std::map<std::string, Message>& map) {
  std::vector<const Message*> out;
  for (const auto& [name, message] : map) out.push_back(&message);
  return out;
}

std::string Json(const google::protobuf::Message& message) {
  std::string out;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  // Only an Any of an unknown type fails; the compiler would have refused it.
  if (!MessageToJsonString(message, &out, options).ok()) out = "{}";
  return out;
}

}  // namespace

const char* TypeUrl(Type type) {
  switch (type) {
    case Type::kCluster:
      return "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    case Type::kEndpoints:
      return "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    case Type::kListener:
      return "type.googleapis.com/envoy.config.listener.v3.Listener";
    case Type::kRoutes:
      return "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
  }
  return "";
}

const char* TypeName(Type type) {
  constexpr const char* kNames[] = {"cds", "eds", "lds", "rds"};
  return kNames[static_cast<int>(type)];
}

AdsState::AdsState(Options options, std::vector<Listener> listeners, std::vector<Cluster> clusters)
    : options_(std::move(options)),
      static_listeners_(std::move(listeners)),
      static_clusters_(std::move(clusters)),
      compiler_(options_.compiler) {
  UpdateNames(Type::kEndpoints);
  UpdateNames(Type::kRoutes);
}

DiscoveryRequest AdsState::Request(Type type) const {
  const PerType& t = types_[static_cast<int>(type)];
  DiscoveryRequest request;
  request.set_type_url(TypeUrl(type));
  request.set_version_info(t.status.version);
  request.set_response_nonce(t.status.nonce);
  for (const std::string& name : t.names) request.add_resource_names(name);
  return request;
}

std::vector<DiscoveryRequest> AdsState::OnStreamOpen() {
  connected_ = true;
  std::vector<DiscoveryRequest> requests;
  for (int i = 0; i < kTypes; ++i) {
    const Type type = static_cast<Type>(i);
    types_[i].status.nonce.clear();  // nonces belong to a stream
    const bool by_name = type == Type::kEndpoints || type == Type::kRoutes;
    if (by_name && types_[i].names.empty()) continue;
    requests.push_back(Request(type));
  }
  if (!requests.empty()) *requests[0].mutable_node() = options_.node;
  return requests;
}

std::vector<DiscoveryRequest> AdsState::OnResponse(const DiscoveryResponse& response, Instant now) {
  std::vector<DiscoveryRequest> requests;
  for (int i = 0; i < kTypes; ++i) {
    const Type type = static_cast<Type>(i);
    if (response.type_url() != TypeUrl(type)) continue;
    TypeStatus& status = types_[i].status;
    status.nonce = response.nonce();
    const absl::Status taken = Take(type, response);
    if (!taken.ok()) {
      ++status.rejected_count;
      status.last_error = std::string(taken.message());
      requests.push_back(Request(type));
      requests.back().mutable_error_detail()->set_code(3);  // INVALID_ARGUMENT
      requests.back().mutable_error_detail()->set_message(status.last_error);
      return requests;
    }
    ++status.accepted_count;
    status.last_error.clear();
    status.version = response.version_info();
    requests.push_back(Request(type));
    changed_ = true;
    if (type == Type::kCluster && UpdateNames(Type::kEndpoints)) {
      requests.push_back(Request(Type::kEndpoints));
    }
    if (type == Type::kListener && UpdateNames(Type::kRoutes)) {
      requests.push_back(Request(Type::kRoutes));
    }
    DropUnreferenced();
    if (!Missing().empty() && warming_until_.never()) {
      warming_until_ = now + options_.initial_fetch_timeout;
    }
  }
  return requests;
}

template <typename Message>
absl::StatusOr<std::map<std::string, Message>> AdsState::Unpack(
    const DiscoveryResponse& response) const {
  std::map<std::string, Message> out;
  for (int i = 0; i < response.resources_size(); ++i) {
    Message message;
    if (!response.resources(i).UnpackTo(&message)) {
      return absl::InvalidArgumentError(Cat("resources[", i, "]: not a ", response.type_url()));
    }
    const std::string name = NameOf(message);
    if (!out.emplace(name, std::move(message)).second) {
      return absl::InvalidArgumentError(Cat("resources[", i, "]: \"", name, "\" is there twice"));
    }
  }
  return out;
}

absl::Status AdsState::TakeClusters(const DiscoveryResponse& response) {
  auto clusters = Unpack<Cluster>(response);
  if (!clusters.ok()) return clusters.status();
  config::Resources check;
  check.clusters = Pointers(*clusters);
  if (absl::Status s = compiler_.Check(check); !s.ok()) return s;
  for (auto& [name, cluster] : clusters_) {
    if (clusters->count(name) == 0) lingering_[name] = std::move(cluster);
  }
  for (const auto& [name, cluster] : *clusters) lingering_.erase(name);
  clusters_ = *std::move(clusters);
  return absl::OkStatus();
}

absl::Status AdsState::Take(Type type, const DiscoveryResponse& response) {
  config::Resources check;
  switch (type) {
    case Type::kCluster:
      return TakeClusters(response);
    case Type::kEndpoints: {  // only what is sent changes
      auto endpoints = Unpack<ClusterLoadAssignment>(response);
      if (!endpoints.ok()) return endpoints.status();
      check.assignments = Pointers(*endpoints);
      if (absl::Status s = compiler_.Check(check); !s.ok()) return s;
      for (auto& [name, message] : *endpoints) endpoints_[name] = std::move(message);
      return absl::OkStatus();
    }
    case Type::kListener: {
      auto listeners = Unpack<Listener>(response);
      if (!listeners.ok()) return listeners.status();
      check.listeners = Pointers(*listeners);
      if (absl::Status s = compiler_.Check(check); !s.ok()) return s;
      listeners_ = *std::move(listeners);
      return absl::OkStatus();
    }
    case Type::kRoutes: {
      auto routes = Unpack<RouteConfiguration>(response);
      if (!routes.ok()) return routes.status();
      check.routes = Pointers(*routes);
      if (absl::Status s = compiler_.Check(check); !s.ok()) return s;
      for (auto& [name, message] : *routes) routes_[name] = std::move(message);
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

std::set<std::string> AdsState::EndpointNames() const {
  std::set<std::string> names;
  for (const auto* map : {&clusters_, &lingering_}) {
    for (const auto& [name, c] : *map) {
      if (c.type() == Cluster::EDS) names.insert(EdsName(c));
    }
  }
  for (const Cluster& c : static_clusters_) {
    if (c.type() == Cluster::EDS) names.insert(EdsName(c));
  }
  return names;
}

std::set<std::string> AdsState::RouteNames() const {
  std::set<std::string> names;
  const auto http = [&names](const HttpConnectionManager& m) {
    if (m.has_rds()) names.insert(m.rds().route_config_name());
  };
  const auto tcp = [](const TcpProxy&) {};
  for (const auto& [name, listener] : listeners_) ForEachFilter(listener, http, tcp);
  for (const Listener& listener : static_listeners_) ForEachFilter(listener, http, tcp);
  return names;
}

bool AdsState::UpdateNames(Type type) {
  PerType& t = of(type);
  std::set<std::string> names = type == Type::kEndpoints ? EndpointNames() : RouteNames();
  if (names == t.names) return false;
  t.names = std::move(names);
  if (type == Type::kEndpoints) {
    std::erase_if(endpoints_, [&t](const auto& e) { return t.names.count(e.first) == 0; });
  } else {
    std::erase_if(routes_, [&t](const auto& r) { return t.names.count(r.first) == 0; });
  }
  return true;
}

std::set<std::string> AdsState::ReferencedClusters() const {
  std::set<std::string> names;
  for (const auto& [name, routes] : routes_) AddReferences(routes, &names);
  for (const auto& [name, listener] : listeners_) {
    ForEachFilter(
        listener,
        [&names](const HttpConnectionManager& m) { AddReferences(m.route_config(), &names); },
        [&names](const TcpProxy& p) {
          if (!p.cluster().empty()) names.insert(p.cluster());
          for (const auto& w : p.weighted_clusters().clusters()) names.insert(w.name());
        });
  }
  return names;
}

void AdsState::DropUnreferenced() {
  if (lingering_.empty()) return;
  const std::set<std::string> used = ReferencedClusters();
  const size_t before = lingering_.size();
  std::erase_if(lingering_, [&used](const auto& c) { return used.count(c.first) == 0; });
  if (lingering_.size() != before) UpdateNames(Type::kEndpoints);
}

std::vector<std::string> AdsState::Missing() const {
  std::vector<std::string> missing;
  for (const std::string& name : types_[static_cast<int>(Type::kEndpoints)].names) {
    if (endpoints_.count(name) == 0) missing.push_back("eds " + name);
  }
  for (const std::string& name : types_[static_cast<int>(Type::kRoutes)].names) {
    if (routes_.count(name) == 0) missing.push_back("rds " + name);
  }
  if (options_.dynamic) {
    if (status(Type::kCluster).accepted_count == 0) missing.push_back("cds");
    if (status(Type::kListener).accepted_count == 0) missing.push_back("lds");
  }
  return missing;
}

absl::StatusOr<std::unique_ptr<config::Snapshot>> AdsState::TakeSnapshot(Instant now) {
  if (!changed_ || (!Missing().empty() && now < warming_until_)) {
    return std::unique_ptr<config::Snapshot>();
  }
  changed_ = false;
  warming_until_ = Instant::Never();
  config::Resources r;
  r.listeners = Pointers(listeners_);
  r.routes = Pointers(routes_);
  r.clusters = Pointers(clusters_);
  r.assignments = Pointers(endpoints_);
  for (const auto& [name, cluster] : lingering_) r.clusters.push_back(&cluster);
  for (const Listener& l : static_listeners_) r.listeners.push_back(&l);
  for (const Cluster& c : static_clusters_) r.clusters.push_back(&c);
  for (int i = 0; i < kTypes; ++i) {
    AppendTo(&r.version_text, i == 0 ? "" : " ", TypeName(static_cast<Type>(i)), "=",
             types_[i].status.version);
  }
  return compiler_.Compile(r);
}

std::vector<std::string> AdsState::ListenerNames() const {
  std::vector<std::string> names;
  const auto add = [&names](const Listener& l) {
    const auto& a = l.address().socket_address();
    names.push_back(Cat(l.name(), "::", a.address(), ":", a.port_value()));
  };
  for (const Listener& l : static_listeners_) add(l);
  for (const auto& [name, l] : listeners_) add(l);
  return names;
}

std::string AdsState::ConfigDumpJson(const std::string& bootstrap_json) const {
  constexpr std::string_view kAdmin = "{\"@type\":\"type.googleapis.com/envoy.admin.v3.";
  std::string out = Cat("{\"configs\":[", kAdmin, "BootstrapConfigDump\",\"bootstrap\":",
                        bootstrap_json.empty() ? "{}" : bootstrap_json, "},");
  const auto list = [&out](const char* key, const auto& map, const std::string& version,
                           const char* inner, const char* type_url) {
    AppendTo(&out, "\"", key, "\":[");
    bool first = true;
    for (const auto& [name, message] : map) {
      std::string body = Json(message);
      body.insert(1, Cat("\"@type\":\"", type_url, "\"", body.size() > 2 ? "," : ""));
      const bool listener = std::string_view(key) == "dynamic_listeners";
      AppendTo(&out, first ? "" : ",", "{");
      if (listener) AppendTo(&out, "\"name\":\"", name, "\",\"active_state\":{");
      AppendTo(&out, "\"version_info\":\"", version, "\",\"", inner, "\":", body,
               listener ? "}}" : "}");
      first = false;
    }
    out.append("]");
  };
  const auto version = [this](Type t) { return status(t).version; };
  AppendTo(&out, kAdmin, "ClustersConfigDump\",\"version_info\":\"", version(Type::kCluster), "\",");
  list("dynamic_active_clusters", clusters_, version(Type::kCluster), "cluster",
       TypeUrl(Type::kCluster));
  AppendTo(&out, "},", kAdmin, "ListenersConfigDump\",\"version_info\":\"",
           version(Type::kListener), "\",");
  list("dynamic_listeners", listeners_, version(Type::kListener), "listener",
       TypeUrl(Type::kListener));
  AppendTo(&out, "},", kAdmin, "RoutesConfigDump\",");
  list("dynamic_route_configs", routes_, version(Type::kRoutes), "route_config",
       TypeUrl(Type::kRoutes));
  AppendTo(&out, "},", kAdmin, "EndpointsConfigDump\",");
  list("dynamic_endpoint_configs", endpoints_, version(Type::kEndpoints), "endpoint_config",
       TypeUrl(Type::kEndpoints));
  out.append("}]}");
  return out;
}

}  // namespace meltemi::agent
