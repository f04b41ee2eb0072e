#include "l7/config/compile.h"

#include "absl/container/flat_hash_set.h"
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

// Like At, for the resource itself: `Cluster "a": type: ...`.
absl::Status Of(std::string_view kind, std::string_view name, const absl::Status& status) {
  if (status.ok()) return status;
  std::string_view message = Std(status.message());
  if (!message.empty() && message.front() == ':') message.remove_prefix(2);
  return absl::Status(status.code(), Cat(Resource(kind, name), message));
}

absl::Status Duplicate(std::string_view kind, std::string_view name) {
  return Of(kind, name, Invalid("name", "is given twice"));
}

absl::Status CompileAssignments(CompileContext* context, const Resources& resources,
                                Assignments* by_name) {
  constexpr std::string_view kKind = "ClusterLoadAssignment";
  for (const auto* from : resources.assignments) {
    if (from->cluster_name().empty()) {
      return Of(kKind, "", Invalid("cluster_name", "must not be empty"));
    }
    if (!by_name->emplace(from->cluster_name(), from).second) {
      return Duplicate(kKind, from->cluster_name());
    }
  }
  // Also those that no cluster uses yet are checked: a NACK must not wait for a cluster.
  StableIds scratch_ids;
  CompileContext scratch = *context;
  scratch.ids = &scratch_ids;
  for (const auto* from : resources.assignments) {
    RETURN_IF_ERROR(Of(kKind, from->cluster_name(), CompileEndpoints(&scratch, 0, *from).status()));
  }
  return absl::OkStatus();
}

absl::Status CompileClusters(CompileContext* context, const Resources& resources,
                             const Assignments& assignments) {
  Snapshot& snapshot = *context->snapshot;
  for (const auto* from : resources.clusters) {
    absl::StatusOr<Cluster> cluster = CompileCluster(context, *from);
    if (!cluster.ok()) return Of("Cluster", from->name(), cluster.status());
    if (cluster->discovery == Discovery::kEds) {
      const std::string& service = from->eds_cluster_config().service_name();
      const auto found = assignments.find(service.empty() ? from->name() : service);
      if (found != assignments.end()) {
        auto endpoints = CompileEndpoints(context, cluster->stable_id, *found->second);
        if (!endpoints.ok()) {
          return Of("ClusterLoadAssignment", found->first, endpoints.status());
        }
        cluster->endpoints = *std::move(endpoints);
      }
    }
    const auto index = static_cast<uint32_t>(snapshot.clusters.size());
    if (!snapshot.cluster_by_name.emplace(from->name(), index).second) {
      return Duplicate("Cluster", from->name());
    }
    snapshot.clusters.push_back(*std::move(cluster));
  }
  return absl::OkStatus();
}

absl::Status CompileRouteTables(CompileContext* context, const Resources& resources) {
  for (const auto* from : resources.routes) {
    if (from->name().empty()) {
      return Of("RouteConfiguration", "", Invalid("name", "must not be empty"));
    }
    absl::StatusOr<RouteTable> table = CompileRouteTable(context, *from);
    if (!table.ok()) return Of("RouteConfiguration", from->name(), table.status());
    const auto index = static_cast<uint32_t>(context->snapshot->route_tables.size());
    if (!context->route_table_by_name.emplace(from->name(), index).second) {
      return Duplicate("RouteConfiguration", from->name());
    }
    context->snapshot->route_tables.push_back(*std::move(table));
  }
  return absl::OkStatus();
}

absl::Status Index(const Snapshot& snapshot, uint32_t index,
                   absl::flat_hash_map<SockAddr, uint32_t>* to) {
  for (const SockAddr& address : snapshot.listeners[index].addresses) {
    const auto [found, inserted] = to->emplace(address, index);
    if (!inserted) {
      return Invalid("address", Cat(address.ToString(), " is the address of Listener \"",
                                    snapshot.listeners[found->second].name, "\""));
    }
  }
  return absl::OkStatus();
}

absl::Status CompileListeners(CompileContext* context, const Resources& resources) {
  Snapshot& snapshot = *context->snapshot;
  absl::flat_hash_set<std::string> names;
  for (const auto* from : resources.listeners) {
    absl::StatusOr<Listener> listener = CompileListener(context, *from);
    if (!listener.ok()) return Of("Listener", from->name(), listener.status());
    if (!names.insert(listener->name).second) return Duplicate("Listener", listener->name);
    const auto index = static_cast<uint32_t>(snapshot.listeners.size());
    if (index >= limits::kConfigListenersMax) {
      return Of("Listener", from->name(),
                Invalid("", Cat("more than ", limits::kConfigListenersMax, " listeners")));
    }
    const Direction direction = listener->direction;
    snapshot.listeners.push_back(*std::move(listener));
    if (direction != Direction::kInbound) {
      RETURN_IF_ERROR(Of("Listener", from->name(), Index(snapshot, index, &snapshot.outbound)));
    }
    if (direction != Direction::kOutbound) {
      RETURN_IF_ERROR(Of("Listener", from->name(), Index(snapshot, index, &snapshot.inbound)));
    }
  }
  return absl::OkStatus();
}

// Clusters before what refers to them: routes, then listeners with their inline routes.
absl::Status CompileAll(CompileContext* context, const Resources& resources) {
  Assignments assignments;
  RETURN_IF_ERROR(CompileAssignments(context, resources, &assignments));
  RETURN_IF_ERROR(CompileClusters(context, resources, assignments));
  RETURN_IF_ERROR(CompileRouteTables(context, resources));
  return CompileListeners(context, resources);
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

void StableIds::Commit() {
  clusters_ = std::move(next_clusters_);
  endpoints_ = std::move(next_endpoints_);
  Rollback();
}

void StableIds::Rollback() {
  next_clusters_.clear();
  next_endpoints_.clear();
}

absl::StatusOr<std::unique_ptr<Snapshot>> Compiler::Compile(const Resources& resources) {
  auto snapshot = std::make_unique<Snapshot>();
  CompileContext context{
      .fields = fields_, .options = options_, .ids = &ids_, .snapshot = snapshot.get()};
  const absl::Status status = CompileAll(&context, resources);
  if (!status.ok()) {
    ids_.Rollback();
    return status;
  }
  ids_.Commit();
  snapshot->sequence = ++sequence_last_;
  snapshot->version_text = resources.version_text;
  return snapshot;
}

absl::Status Compiler::Check(const Resources& resources) const {
  Snapshot snapshot;
  StableIds ids;
  CompileContext context{
      .fields = fields_, .options = options_, .ids = &ids, .snapshot = &snapshot};
  return CompileAll(&context, resources);
}

}  // namespace meltemi::config
