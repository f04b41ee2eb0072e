#include "l7/config/compile.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using Assignments = absl::flat_hash_map<std::string_view,
                                        const envoy::config::endpoint::v3::ClusterLoadAssignment*>;

// The first step of every path: the resource.
std::string Resource(std::string_view kind, std::string_view name) {
  return Cat(kind, " \"", name, "\": ");
}

// Without the colon that stands for "the resource itself".
std::string_view Text(const absl::Status& status) {
  std::string_view message = Std(status.message());
  if (!message.empty() && message.front() == ':') message.remove_prefix(2);
  return message;
}

// Like At, for the resource itself: `Cluster "a": type: ...`.
absl::Status Of(std::string_view kind, std::string_view name, const absl::Status& status) {
  return absl::Status(status.code(), Cat(Resource(kind, name), Text(status)));
}

// Ends the compilation with the error, or notes it and leaves the resource out.
absl::Status Refuse(CompileContext* context, std::string_view kind, std::string_view name,
                    const google::protobuf::Message& resource, const absl::Status& status) {
  if (status.ok()) return status;
  if (context->refusals == nullptr) return Of(kind, name, status);
  context->refusals->push_back({.resource = &resource, .why = std::string(Text(status))});
  return absl::OkStatus();
}

absl::Status CompileAssignment(CompileContext* scratch,
                               const envoy::config::endpoint::v3::ClusterLoadAssignment& from,
                               Assignments* by_name) {
  if (from.cluster_name().empty()) return Invalid("cluster_name", "must not be empty");
  if (by_name->contains(from.cluster_name())) return Invalid("cluster_name", "is given twice");
  RETURN_IF_ERROR(CompileEndpoints(scratch, 0, from).status());
  by_name->emplace(from.cluster_name(), &from);
  return absl::OkStatus();
}

// Also those that no cluster uses yet are checked: a NACK must not wait for a cluster.
absl::Status CompileAssignments(CompileContext* context, const Resources& resources,
                                Assignments* by_name) {
  StableIds scratch_ids;
  CompileContext scratch = *context;
  scratch.ids = &scratch_ids;
  for (const auto* from : resources.assignments) {
    RETURN_IF_ERROR(Refuse(context, "ClusterLoadAssignment", from->cluster_name(), *from,
                           CompileAssignment(&scratch, *from, by_name)));
  }
  return absl::OkStatus();
}

absl::Status AddCluster(CompileContext* context, const envoy::config::cluster::v3::Cluster& from,
                        const Assignments& assignments) {
  Snapshot& snapshot = *context->snapshot;
  absl::StatusOr<Cluster> cluster = CompileCluster(context, from);
  if (!cluster.ok()) return cluster.status();
  if (snapshot.cluster_by_name.contains(from.name())) return Invalid("name", "is given twice");
  if (cluster->discovery == Discovery::kEds) {
    const std::string& service = from.eds_cluster_config().service_name();
    const auto found = assignments.find(service.empty() ? from.name() : service);
    if (found != assignments.end()) {
      ASSIGN_OR_RETURN_AT(cluster->endpoints, "(its ClusterLoadAssignment)",
                          CompileEndpoints(context, cluster->stable_id, *found->second));
      cluster->overprovisioning_percent = OverprovisioningPercent(*found->second);
    }
  }
  context->hash_point_count += HashPointCount(*cluster);
  if (context->hash_point_count > kHashPointCountMax) {
    return Invalid("lb_policy",
                   Cat("more than ", kHashPointCountMax, " points in all hash tables"));
  }
  if (context->hash_tables != nullptr) {
    cluster->hash_tables = context->hash_tables->Get(*cluster);
  }
  snapshot.cluster_by_name.emplace(from.name(), static_cast<uint32_t>(snapshot.clusters.size()));
  snapshot.clusters.push_back(*std::move(cluster));
  return absl::OkStatus();
}

absl::Status CompileClusters(CompileContext* context, const Resources& resources,
                             const Assignments& assignments) {
  for (const auto* from : resources.clusters) {
    RETURN_IF_ERROR(
        Refuse(context, "Cluster", from->name(), *from, AddCluster(context, *from, assignments)));
  }
  return absl::OkStatus();
}

absl::Status AddRouteTable(CompileContext* context,
                           const envoy::config::route::v3::RouteConfiguration& from) {
  if (from.name().empty()) return Invalid("name", "must not be empty");
  if (context->route_table_by_name.contains(from.name())) return Invalid("name", "is given twice");
  context->place = Cat("routes ", from.name());
  absl::StatusOr<RouteTable> table = CompileRouteTable(context, from);
  if (!table.ok()) return table.status();
  context->route_table_by_name.emplace(
      from.name(), static_cast<uint32_t>(context->snapshot->route_tables.size()));
  context->snapshot->route_tables.push_back(*std::move(table));
  return absl::OkStatus();
}

absl::Status CompileRouteTables(CompileContext* context, const Resources& resources) {
  for (const auto* from : resources.routes) {
    RETURN_IF_ERROR(
        Refuse(context, "RouteConfiguration", from->name(), *from, AddRouteTable(context, *from)));
  }
  return absl::OkStatus();
}

using AddressIndex = absl::flat_hash_map<SockAddr, uint32_t>;

absl::Status CheckAddresses(const Snapshot& snapshot, const Listener& listener,
                            const AddressIndex& taken) {
  absl::flat_hash_set<SockAddr> own;
  for (const SockAddr& address : listener.addresses) {
    const auto found = taken.find(address);
    const bool twice = !own.insert(address).second;
    if (found == taken.end() && !twice) continue;
    const std::string& other = twice ? listener.name : snapshot.listeners[found->second].name;
    return Invalid("address",
                   Cat(address.ToString(), " is the address of Listener \"", other, "\""));
  }
  return absl::OkStatus();
}

absl::Status AddUdpListener(CompileContext* context,
                            const envoy::config::listener::v3::Listener& from,
                            absl::flat_hash_set<std::string>* names) {
  Snapshot& snapshot = *context->snapshot;
  absl::StatusOr<UdpListener> listener = CompileUdpListener(context, from);
  if (!listener.ok()) return listener.status();
  if (names->contains(listener->name)) return Invalid("name", "is given twice");
  const auto index = static_cast<uint32_t>(snapshot.udp_listeners.size());
  if (index >= limits::kConfigListenersMax) {
    return Invalid("", Cat("more than ", limits::kConfigListenersMax, " listeners"));
  }
  for (const SockAddr& address : listener->addresses) {
    const auto found = snapshot.udp.find(address);
    if (found == snapshot.udp.end()) continue;
    return Invalid("address", Cat(address.ToString(), " is the address of Listener \"",
                                  snapshot.udp_listeners[found->second].name, "\""));
  }
  for (const SockAddr& address : listener->addresses) snapshot.udp.emplace(address, index);
  names->insert(listener->name);
  snapshot.udp_listeners.push_back(*std::move(listener));
  return absl::OkStatus();
}

// Which of a listener's chains takes the mesh's mutual TLS, and as whom. `first` is its index.
std::optional<Snapshot::MeshInbound> MeshInboundOf(const Snapshot& snapshot,
                                                   const std::vector<Listener>& all,
                                                   uint32_t first) {
  static const std::string protocol = "istio";
  const Heard mesh{.transport = Transport::kTls, .protocols = {&protocol, 1}};
  const uint32_t chosen = ChooseChain(all.front(), first, mesh).listener;
  if (chosen == kNoIndex) return std::nullopt;
  for (const TlsSettings& tls : snapshot.tls) {
    if (tls.stable_id != all[chosen - first].tls || !tls.require_peer_certificate) continue;
    Snapshot::MeshInbound inbound{.listener = chosen};
    if (!tls.certificate_secrets.empty() &&
        tls.certificate_secrets.front().starts_with("spiffe://")) {
      inbound.identity = tls.certificate_secrets.front();
    }
    return inbound;
  }
  return std::nullopt;
}

// The listener or chain that says what a pod of this node may do that comes without TLS: the one
// that takes the mesh's, else what takes plain text. Null: it says nothing.
const Listener* GuardOf(const std::vector<Listener>& compiled) {
  const Listener* guard = compiled.size() == 1 ? &compiled.front() : nullptr;
  for (size_t i = 1; i < compiled.size(); ++i) {
    const bool plain = compiled.front().chains[i - 1].match.transport != Transport::kTls;
    if (compiled[i].tls != kNoTls || (plain && guard == nullptr)) guard = &compiled[i];
    if (compiled[i].tls != kNoTls) break;
  }
  return guard == nullptr || RbacOf(*guard).empty() ? nullptr : guard;
}

// What the clusters behind a listener (its chains are in `compiled`) speak; kUnknown: they differ,
// or go by their clients.
Spoken SpokenBehind(const Snapshot& snapshot, const std::vector<Listener>& compiled) {
  Spoken all = Spoken::kUnknown;
  bool same = true;
  const auto see = [&](const WeightedCluster& to) {
    if (to.cluster == kNoIndex) return;
    const Cluster& cluster = snapshot.clusters[to.cluster];
    const Spoken one = cluster.http2.has_value() ? Spoken::kHttp2 : Spoken::kHttp1;
    same &= !cluster.follows_client && (all == Spoken::kUnknown || all == one);
    all = one;
  };
  for (const Listener& listener : compiled) {
    const auto* manager = std::get_if<HttpManager>(&listener.filter);
    if (manager == nullptr || manager->route_table == kNoIndex) continue;
    for (const VirtualHost& host : snapshot.route_tables[manager->route_table].hosts) {
      for (const Route& route : host.routes) {
        const auto* forward = std::get_if<Forward>(&route.action);
        if (forward == nullptr) continue;
        std::for_each(forward->clusters.begin(), forward->clusters.end(), see);
      }
    }
  }
  return same ? all : Spoken::kUnknown;
}

absl::Status AddListener(CompileContext* context, const envoy::config::listener::v3::Listener& from,
                         absl::flat_hash_set<std::string>* names) {
  if (IsUdp(from)) return AddUdpListener(context, from, names);
  Snapshot& snapshot = *context->snapshot;
  absl::StatusOr<std::vector<Listener>> compiled = CompileListener(context, from);
  if (!compiled.ok()) return compiled.status();
  Listener* const listener = &compiled->front();
  if (names->contains(listener->name)) return Invalid("name", "is given twice");
  const auto index = static_cast<uint32_t>(snapshot.listeners.size());
  for (size_t i = 0; i < listener->chains.size(); ++i) {
    listener->chains[i].listener = index + 1 + static_cast<uint32_t>(i);
    (*compiled)[i + 1].parent = index;
  }
  if (index + compiled->size() > limits::kConfigListenersMax) {
    return Invalid("", Cat("more than ", limits::kConfigListenersMax, " listeners"));
  }
  std::vector<AddressIndex*> indices;
  if (listener->direction != Direction::kInbound) indices.push_back(&snapshot.outbound);
  if (listener->direction != Direction::kOutbound) indices.push_back(&snapshot.inbound);
  for (const AddressIndex* taken : indices) {
    RETURN_IF_ERROR(CheckAddresses(snapshot, *listener, *taken));
  }
  for (AddressIndex* to : indices) {
    for (const SockAddr& address : listener->addresses) to->emplace(address, index);
  }
  if (listener->direction == Direction::kInbound) {
    if (const Spoken spoken = SpokenBehind(snapshot, *compiled); spoken != Spoken::kUnknown) {
      for (const SockAddr& address : listener->addresses) snapshot.spoken[address] = spoken;
    }
    if (const auto mesh = MeshInboundOf(snapshot, *compiled, index)) {
      for (const SockAddr& address : listener->addresses) snapshot.mesh_inbound[address] = *mesh;
    }
  }
  if (const Listener* guard = GuardOf(*compiled);
      guard != nullptr && listener->direction == Direction::kInbound) {
    const auto at = index + static_cast<uint32_t>(guard - listener);
    for (const SockAddr& address : listener->addresses) snapshot.guarded.emplace(address, at);
  }
  names->insert(listener->name);
  std::move(compiled->begin(), compiled->end(), std::back_inserter(snapshot.listeners));
  return absl::OkStatus();
}

absl::Status CompileListeners(CompileContext* context, const Resources& resources) {
  absl::flat_hash_set<std::string> names;
  for (const auto* from : resources.listeners) {
    RETURN_IF_ERROR(
        Refuse(context, "Listener", from->name(), *from, AddListener(context, *from, &names)));
  }
  return absl::OkStatus();
}

// Clusters before what refers to them: routes, then listeners with their inline routes.
absl::Status CompileAll(CompileContext* context, const Resources& resources) {
  Assignments assignments;
  RETURN_IF_ERROR(CompileAssignments(context, resources, &assignments));
  RETURN_IF_ERROR(CompileClusters(context, resources, assignments));
  RETURN_IF_ERROR(CompileRouteTables(context, resources));
  RETURN_IF_ERROR(CompileListeners(context, resources));
  // What several have, once.
  std::vector<TokenBucket>& buckets = context->snapshot->buckets;
  std::sort(buckets.begin(), buckets.end(),
            [](const TokenBucket& a, const TokenBucket& b) { return a.id < b.id; });
  buckets.erase(
      std::unique(buckets.begin(), buckets.end(),
                  [](const TokenBucket& a, const TokenBucket& b) { return a.id == b.id; }),
      buckets.end());
  return absl::OkStatus();
}

}  // namespace

uint32_t StableIds::Cluster(const std::string& name) {
  const auto known = clusters_.find(name);
  const auto [entry, inserted] =
      next_clusters_.try_emplace(name, known == clusters_.end() ? 0 : known->second);
  if (inserted && known == clusters_.end()) entry->second = ++cluster_id_last_;
  return entry->second;
}

uint32_t StableIds::Endpoint(uint32_t cluster_id, const SockAddr& address) {
  const EndpointKey key(cluster_id, address);
  const auto known = endpoints_.find(key);
  const auto [entry, inserted] =
      next_endpoints_.try_emplace(key, known == endpoints_.end() ? 0 : known->second);
  if (inserted && known == endpoints_.end()) entry->second = ++endpoint_id_last_;
  return entry->second;
}

// Names are long here (whole certificates), and few.
uint32_t StableIds::Tls(const std::string& content) {
  const auto known = tls_.find(content);
  const auto [entry, inserted] =
      next_tls_.try_emplace(content, known == tls_.end() ? 0 : known->second);
  if (inserted && known == tls_.end()) entry->second = ++tls_id_last_;
  return entry->second;
}

uint32_t StableIds::Bucket(const std::string& place_and_content) {
  const auto known = buckets_.find(place_and_content);
  const auto [entry, inserted] =
      next_buckets_.try_emplace(place_and_content, known == buckets_.end() ? 0 : known->second);
  if (inserted && known == buckets_.end()) entry->second = ++bucket_id_last_;
  return entry->second;
}

void StableIds::Commit() {
  clusters_ = std::move(next_clusters_);
  buckets_ = std::move(next_buckets_);
  tls_ = std::move(next_tls_);
  endpoints_ = std::move(next_endpoints_);
  Rollback();
}

void StableIds::Rollback() {
  next_clusters_.clear();
  next_buckets_.clear();
  next_tls_.clear();
  next_endpoints_.clear();
}

absl::StatusOr<std::unique_ptr<Snapshot>> Compiler::Compile(const Resources& resources) {
  auto snapshot = std::make_unique<Snapshot>();
  CompileContext context{.fields = fields_,
                         .options = options_,
                         .ids = &ids_,
                         .snapshot = snapshot.get(),
                         .resolved = resources.resolved,
                         .hash_tables = &hash_tables_};
  const absl::Status status = CompileAll(&context, resources);
  if (!status.ok()) {
    ids_.Rollback();
    hash_tables_.Rollback();
    return status;
  }
  ids_.Commit();
  hash_tables_.Commit();
  snapshot->sequence = ++sequence_last_;
  snapshot->version_text = resources.version_text;
  return snapshot;
}

absl::Status Compiler::Check(const Resources& resources) const {
  Snapshot snapshot;
  StableIds ids;
  CompileContext context{.fields = fields_,
                         .options = options_,
                         .ids = &ids,
                         .snapshot = &snapshot,
                         .resolved = resources.resolved};
  return CompileAll(&context, resources);
}

absl::StatusOr<TlsSecret> Compiler::CompileSecret(
    const envoy::extensions::transport_sockets::tls::v3::Secret& from) const {
  return CompileTlsSecret(fields_, from);
}

std::vector<Refusal> Compiler::CheckEach(const Resources& resources) const {
  std::vector<Refusal> refusals;
  Snapshot snapshot;
  StableIds ids;
  CompileContext context{.fields = fields_,
                         .options = options_,
                         .ids = &ids,
                         .snapshot = &snapshot,
                         .resolved = resources.resolved,
                         .refusals = &refusals};
  CHECK(CompileAll(&context, resources).ok());  // every error was noted
  return refusals;
}

}  // namespace meltemi::config
