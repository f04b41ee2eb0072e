#include "control/pilot/ads_session/snapshot.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "control/pilot/translate/proto_util.h"

namespace meltemi::control::pilot::ads_session {
namespace {

void Add(const std::string& name, const google::protobuf::Message& message, TypeSnapshot* type) {
  auto resource = std::make_shared<Resource>();
  resource->any = translate::Pack(message);
  resource->version = Fingerprint(resource->any.value());
  type->resources[name] = std::move(resource);
}

}  // namespace

const char* TypeUrl(Type type) {
  switch (type) {
    case Type::kCluster:
      return "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    case Type::kEndpoint:
      return "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    case Type::kListener:
      return "type.googleapis.com/envoy.config.listener.v3.Listener";
    case Type::kRoute:
      return "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
  }
  return "";
}

const char* ShortName(Type type) {
  switch (type) {
    case Type::kCluster:
      return "cds";
    case Type::kEndpoint:
      return "eds";
    case Type::kListener:
      return "lds";
    case Type::kRoute:
      return "rds";
  }
  return "";
}

std::optional<Type> TypeFromUrl(const std::string& url) {
  for (const Type type : kTypes) {
    if (url == TypeUrl(type)) return type;
  }
  return std::nullopt;
}

std::string Fingerprint(const std::string& bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3u;
  }
  return absl::StrFormat("%016x", hash);
}

std::shared_ptr<const Snapshot> MakeSnapshot(const translate::Resources& resources) {
  auto snapshot = std::make_shared<Snapshot>();
  const auto type = [&](Type t) { return &snapshot->types[static_cast<size_t>(t)]; };
  for (const auto& cluster : resources.clusters) Add(cluster.name(), cluster, type(Type::kCluster));
  for (const auto& assignment : resources.endpoints) {
    Add(assignment.cluster_name(), assignment, type(Type::kEndpoint));
  }
  for (const auto& listener : resources.listeners) {
    Add(listener.name(), listener, type(Type::kListener));
  }
  for (const auto& route : resources.routes) Add(route.name(), route, type(Type::kRoute));
  std::string all;
  for (TypeSnapshot& t : snapshot->types) {
    std::string versions;
    for (const auto& [name, resource] : t.resources) {
      absl::StrAppend(&versions, name, "=", resource->version, ";");
    }
    t.version = Fingerprint(versions);
    absl::StrAppend(&all, t.version, ";");
  }
  snapshot->version = Fingerprint(all);
  return snapshot;
}

}  // namespace meltemi::control::pilot::ads_session
