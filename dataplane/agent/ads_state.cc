#include "dataplane/agent/ads_state.h"

#include <algorithm>
#include <type_traits>

#include "google/protobuf/util/message_differencer.h"
#include "l7/base/text.h"
#include "l7/config/field_error.h"
#include "l7/config/references.h"

namespace meltemi::agent {
namespace {

using config::Invalid;
using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::listener::v3::Listener;
using envoy::config::route::v3::RouteConfiguration;

constexpr std::array kAllTypes = {Type::kCluster, Type::kEndpoints, Type::kListener, Type::kRoutes};
constexpr std::array kNamedTypes = {Type::kEndpoints, Type::kRoutes};

bool Wildcard(Type type) { return type == Type::kCluster || type == Type::kListener; }

const std::string& NameOf(const Cluster& m) { return m.name(); }
const std::string& NameOf(const ClusterLoadAssignment& m) { return m.cluster_name(); }
const std::string& NameOf(const Listener& m) { return m.name(); }
const std::string& NameOf(const RouteConfiguration& m) { return m.name(); }

void AddTo(config::Resources* to, const Cluster* m) { to->clusters.push_back(m); }
void AddTo(config::Resources* to, const ClusterLoadAssignment* m) { to->assignments.push_back(m); }
void AddTo(config::Resources* to, const Listener* m) { to->listeners.push_back(m); }
void AddTo(config::Resources* to, const RouteConfiguration* m) { to->routes.push_back(m); }

template <typename Message>
absl::Status Unpack(const DiscoveryResponse& response, Instant now, AcceptedMap<Message>* to) {
  for (int i = 0; i < response.resources_size(); ++i) {
    Accepted<Message> entry;
    const std::string step = config::Indexed("resources", i);
    if (!response.resources(i).UnpackTo(&entry.message)) {
      return Invalid(step, Cat("\"", response.resources(i).type_url(), "\" is not a valid ",
                               entry.message.GetTypeName()));
    }
    const std::string name = NameOf(entry.message);
    if (name.empty()) return Invalid(step, "has no name");
    entry.version = response.version_info();
    entry.updated = now;
    if (!to->emplace(name, std::move(entry)).second) {
      return Invalid(step, Cat("\"", name, "\" is given twice"));
    }
  }
  return absl::OkStatus();
}

template <typename Message>
bool Same(const Message& a, const Message& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

// What one response does to the resources of its type, and the way back. Clusters and listeners:
// the response is all of them. Endpoints and routes: those that it names change.
template <typename Message>
class Change {
 public:
  Change(bool all, AcceptedMap<Message>* map) : all_(all), map_(map) {}

  // True if anything differs from before.
  bool Apply(AcceptedMap<Message> fresh) {
    bool differs = all_ && fresh.size() != map_->size();
    for (auto& [name, entry] : fresh) {
      const auto known = map_->find(name);
      if (known != map_->end() && Same(known->second.message, entry.message)) {
        entry.updated = known->second.updated;
      } else {
        differs = true;
      }
    }
    if (all_) {
      before_ = std::exchange(*map_, std::move(fresh));
      return differs;
    }
    for (auto& [name, entry] : fresh) {
      if (const auto known = map_->find(name); known != map_->end()) {
        before_.emplace(name, std::exchange(known->second, std::move(entry)));
      } else {
        added_.push_back(name);
        map_->emplace(name, std::move(entry));
      }
    }
    return differs;
  }
  void Undo() {
    if (all_) {
      *map_ = std::move(before_);
      return;
    }
    for (const std::string& name : added_) map_->erase(name);
    for (auto& [name, entry] : before_) (*map_)[name] = std::move(entry);
  }
  const AcceptedMap<Message>& before() const { return before_; }

 private:
  const bool all_;
  AcceptedMap<Message>* const map_;
  AcceptedMap<Message> before_;
  std::vector<std::string> added_;
};

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
      compiler_(options_.compiler),
      ready_(!options_.dynamic) {
  of(Type::kEndpoints).names = EndpointNames();
  of(Type::kRoutes).names = RouteNames();
}

// Requests

DiscoveryRequest AdsState::Request(Type type) {
  PerType& t = of(type);
  DiscoveryRequest request;
  request.set_type_url(TypeUrl(type));
  request.set_version_info(t.status.version);
  request.set_response_nonce(t.status.nonce);
  for (const std::string& name : t.names) request.add_resource_names(name);
  t.asked = true;
  t.names_changed = false;
  return request;
}

bool AdsState::UseNode(const envoy::config::core::v3::Node& node) {
  if (google::protobuf::util::MessageDifferencer::Equals(options_.node, node)) return false;
  options_.node = node;
  return true;
}

std::vector<DiscoveryRequest> AdsState::OnStreamOpen() {
  std::vector<DiscoveryRequest> requests;
  connected_ = false;
  for (PerType& t : types_) {
    t.status.nonce.clear();  // nonces belong to a stream
    t.asked = false;
  }
  for (Type type : kAllTypes) {
    if (Wildcard(type) || !of(type).names.empty()) requests.push_back(Request(type));
  }
  *requests[0].mutable_node() = options_.node;
  return requests;
}

std::vector<DiscoveryRequest> AdsState::OnResponse(const DiscoveryResponse& response, Instant now) {
  connected_ = true;
  std::vector<DiscoveryRequest> requests;
  const auto* type = std::find_if(kAllTypes.begin(), kAllTypes.end(),
                                  [&](Type t) { return response.type_url() == TypeUrl(t); });
  if (type == kAllTypes.end()) {
    ++unknown_type_count_;
    return requests;
  }
  TypeStatus& status = of(*type).status;
  status.nonce = response.nonce();
  const absl::Status taken = Take(*type, response, now);
  requests.push_back(Request(*type));
  if (!taken.ok()) {
    ++status.rejected_count;
    status.last_error = std::string(Std(taken.message()));
    requests[0].mutable_error_detail()->set_code(static_cast<int>(taken.code()));
    requests[0].mutable_error_detail()->set_message(status.last_error);
    return requests;
  }
  ++status.accepted_count;
  status.last_error.clear();
  for (Type named : kNamedTypes) {
    const PerType& t = of(named);
    // A type that was never asked for is not asked for nothing.
    if (t.names_changed && (t.asked || !t.names.empty())) requests.push_back(Request(named));
  }
  return requests;
}

// Responses

absl::Status AdsState::Take(Type type, const DiscoveryResponse& response, Instant now) {
  switch (type) {
    case Type::kCluster:
      return TakeInto(type, response, now, &resources_.clusters);
    case Type::kEndpoints:
      return TakeInto(type, response, now, &resources_.endpoints);
    case Type::kListener:
      return TakeInto(type, response, now, &resources_.listeners);
    case Type::kRoutes:
      return TakeInto(type, response, now, &resources_.routes);
  }
  return absl::OkStatus();
}

template <typename Message>
absl::Status AdsState::TakeInto(Type type, const DiscoveryResponse& response, Instant now,
                                AcceptedMap<Message>* map) {
  AcceptedMap<Message> fresh;
  if (absl::Status s = Unpack(response, now, &fresh); !s.ok()) return s;
  // The response beside the static resources of its type: they must not contradict each other.
  config::Resources part;
  if constexpr (std::is_same_v<Message, Cluster>) {
    for (const Cluster& m : static_clusters_) AddTo(&part, &m);
  }
  if constexpr (std::is_same_v<Message, Listener>) {
    for (const Listener& m : static_listeners_) AddTo(&part, &m);
  }
  for (const auto& [name, entry] : fresh) AddTo(&part, &entry.message);
  if (absl::Status s = compiler_.Check(part); !s.ok()) return s;

  TypeStatus& status = of(type).status;
  Change<Message> change(Wildcard(type), map);
  const bool changed = changed_;
  const bool received = std::exchange(of(type).received, true);
  const auto lingering = lingering_;
  const std::string version = std::exchange(status.version, response.version_info());
  changed_ |= change.Apply(std::move(fresh)) || !received;
  if constexpr (std::is_same_v<Message, Cluster>) Linger(change.before(), now);
  DropLingering(now);
  Derive(now);
  const absl::Status built = Build(now);
  if (built.ok()) {
    ForgetUnsubscribed();
    return built;
  }
  // Each part was checked: only a bound of the whole can be broken here.
  change.Undo();
  changed_ = changed;
  of(type).received = received;
  lingering_ = lingering;
  status.version = version;
  Derive(now);
  return built;
}

void AdsState::Linger(const AcceptedMap<Cluster>& before, Instant now) {
  for (const auto& [name, entry] : before) {
    if (resources_.clusters.count(name) > 0) continue;
    lingering_.emplace(name, Lingering{entry.message, now + options_.linger_max});
  }
  for (const auto& [name, entry] : resources_.clusters) lingering_.erase(name);
}

void AdsState::DropLingering(Instant now) {
  if (lingering_.empty()) return;
  const std::set<std::string> used = ReferencedClusters();
  const size_t dropped = std::erase_if(
      lingering_, [&](const auto& e) { return e.second.until <= now || used.count(e.first) == 0; });
  if (dropped > 0) changed_ = true;
}

void AdsState::OnDnsAnswer(const DnsAnswer& answer, Instant now) {
  changed_ |= dns_.OnAnswer(answer, now);
  DeriveMissing(now);
}

void AdsState::WantNames() {
  DnsCache::Wanted names;
  for (const Cluster& m : static_clusters_) config::AddHostNames(m, &names);
  for (const auto& [name, entry] : resources_.clusters) {
    config::AddHostNames(entry.message, &names);
  }
  for (const auto& [name, entry] : lingering_) config::AddHostNames(entry.message, &names);
  dns_.Want(names);
}

void AdsState::Derive(Instant now) {
  WantNames();
  for (Type type : kNamedTypes) {
    PerType& t = of(type);
    std::set<std::string> names = type == Type::kEndpoints ? EndpointNames() : RouteNames();
    if (names == t.names) continue;
    t.names = std::move(names);
    t.names_changed = true;
  }
  DeriveMissing(now);
}

void AdsState::DeriveMissing(Instant now) {
  std::map<Name, Instant> missing;
  const auto add = [&](Type type, const std::string& name) {
    const auto known = missing_.find({type, name});
    missing[{type, name}] =
        known == missing_.end() ? now + options_.initial_fetch_timeout : known->second;
  };
  for (const std::string& name : of(Type::kEndpoints).names) {
    if (resources_.endpoints.count(name) == 0) add(Type::kEndpoints, name);
  }
  for (const std::string& name : of(Type::kRoutes).names) {
    if (resources_.routes.count(name) == 0) add(Type::kRoutes, name);
  }
  for (const std::string& name : dns_.unanswered()) add(Type::kCluster, Cat("name ", name));
  missing_ = std::move(missing);
}

// Endpoints and routes that nobody refers to any more: if they are needed again, they come again.
void AdsState::ForgetUnsubscribed() {
  const auto& endpoints = of(Type::kEndpoints).names;
  const auto& routes = of(Type::kRoutes).names;
  std::erase_if(resources_.endpoints, [&](const auto& e) { return endpoints.count(e.first) == 0; });
  std::erase_if(resources_.routes, [&](const auto& e) { return routes.count(e.first) == 0; });
}

std::set<std::string> AdsState::EndpointNames() const {
  std::set<std::string> names;
  for (const Cluster& m : static_clusters_) config::AddEndpointName(m, &names);
  for (const auto& [name, entry] : resources_.clusters)
    config::AddEndpointName(entry.message, &names);
  for (const auto& [name, entry] : lingering_) config::AddEndpointName(entry.message, &names);
  return names;
}

std::set<std::string> AdsState::RouteNames() const {
  std::set<std::string> names;
  for (const Listener& m : static_listeners_) config::AddRouteNames(m, &names);
  for (const auto& [name, entry] : resources_.listeners)
    config::AddRouteNames(entry.message, &names);
  return names;
}

std::set<std::string> AdsState::ReferencedClusters() const {
  std::set<std::string> names;
  for (const Listener& m : static_listeners_) config::AddClusters(m, &names);
  for (const auto& [name, entry] : resources_.listeners) config::AddClusters(entry.message, &names);
  const std::set<std::string> tables = RouteNames();
  for (const auto& [name, entry] : resources_.routes) {
    if (tables.count(name) > 0) config::AddClusters(entry.message, &names);
  }
  return names;
}

// Snapshots

bool AdsState::Whole(Instant now) const {
  if (options_.dynamic && now < wildcards_until_) {
    for (Type type : kAllTypes) {
      if (Wildcard(type) && !types_[static_cast<int>(type)].received) return false;
    }
  }
  for (const auto& [name, until] : missing_) {
    if (now < until) return false;
  }
  return true;
}

config::Resources AdsState::All() const {
  config::Resources all;
  all.resolved = &dns_.addresses();
  for (const Cluster& m : static_clusters_) AddTo(&all, &m);
  for (const Listener& m : static_listeners_) AddTo(&all, &m);
  for (const auto& [name, entry] : resources_.clusters) AddTo(&all, &entry.message);
  for (const auto& [name, entry] : lingering_) AddTo(&all, &entry.message);
  for (const auto& [name, entry] : resources_.endpoints) AddTo(&all, &entry.message);
  for (const auto& [name, entry] : resources_.listeners) AddTo(&all, &entry.message);
  const std::set<std::string>& tables = types_[static_cast<int>(Type::kRoutes)].names;
  for (const auto& [name, entry] : resources_.routes) {
    if (tables.count(name) > 0) AddTo(&all, &entry.message);
  }
  for (Type type : kAllTypes) {
    AppendTo(&all.version_text, all.version_text.empty() ? "" : " ", TypeName(type), "=",
             status(type).version);
  }
  return all;
}

absl::Status AdsState::Build(Instant now) {
  if (!changed_ || !Whole(now)) return absl::OkStatus();
  auto snapshot = compiler_.Compile(All());
  if (!snapshot.ok()) return snapshot.status();
  snapshot_ = *std::move(snapshot);
  changed_ = false;
  ready_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<config::Snapshot>> AdsState::TakeSnapshot(Instant now) {
  if (!std::exchange(started_, true)) {
    wildcards_until_ = now + options_.initial_fetch_timeout;
    Derive(now);
    if (!options_.dynamic || !static_listeners_.empty() || !static_clusters_.empty()) {
      auto first = compiler_.Compile(All());
      if (!first.ok()) return first.status();
      snapshot_ = *std::move(first);
    }
  }
  DropLingering(now);
  Derive(now);
  for (const auto& [name, until] : missing_) {
    if (until <= now && until > last_looked_) ++of(name.first).status.fetch_timeout_count;
  }
  // Nothing has come at all: the static resources are the whole configuration for now.
  if (!ready_ && wildcards_until_ <= now) changed_ = true;
  last_looked_ = now;
  if (absl::Status s = Build(now); !s.ok()) return s;
  return std::move(snapshot_);
}

Instant AdsState::next_deadline() const {
  Instant earliest = Instant::Never();
  const auto add = [&](Instant at) {
    if (at > last_looked_) earliest = std::min(earliest, at);
  };
  if (!ready_) add(wildcards_until_);
  for (const auto& [name, entry] : lingering_) add(entry.until);
  for (const auto& [name, until] : missing_) add(until);
  add(dns_.next_due());
  return earliest;
}

std::vector<std::string> AdsState::Missing() const {
  std::vector<std::string> missing;
  for (const auto& [name, until] : missing_) {
    missing.push_back(Cat(TypeName(name.first), " ", name.second));
  }
  for (Type type : {Type::kCluster, Type::kListener}) {
    const bool received = types_[static_cast<int>(type)].received;
    if (options_.dynamic && !received) missing.push_back(TypeName(type));
  }
  return missing;
}

std::vector<std::string> AdsState::ListenerNames() const {
  std::vector<std::string> names;
  const auto add = [&names](const Listener& l) {
    const auto& a = l.address().socket_address();
    names.push_back(Cat(l.name(), "::", a.address(), ":", a.port_value()));
  };
  for (const Listener& l : static_listeners_) add(l);
  for (const auto& [name, entry] : resources_.listeners) add(entry.message);
  return names;
}

}  // namespace meltemi::agent
