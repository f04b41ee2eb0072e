#include "control/pilot/ads_session/snapshot.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "control/pilot/translate/locality.h"
#include "control/pilot/translate/proto_util.h"
#include "l7/config/references.h"

namespace meltemi::control::pilot::ads_session {
namespace {

std::shared_ptr<Resource> Make(const google::protobuf::Message& message) {
  auto resource = std::make_shared<Resource>();
  resource->any = translate::Pack(message);
  resource->version = Fingerprint(resource->any.value());
  return resource;
}

// Of listeners and routes.
template <typename Message>
std::shared_ptr<Resource> MakeReferring(const Message& message) {
  std::shared_ptr<Resource> resource = Make(message);
  config::AddClusters(message, &resource->clusters);
  return resource;
}

bool ForSources(const envoy::config::listener::v3::FilterChain& chain) {
  return chain.filter_chain_match().source_prefix_ranges_size() > 0;
}

// Of the secrets it names only those among Pilot's: the node has the others by itself.
std::shared_ptr<Resource> MakeListener(const envoy::config::listener::v3::Listener& listener,
                                       const Resources& secrets) {
  std::shared_ptr<Resource> resource = MakeReferring(listener);
  config::AddSecretNames(listener, &resource->secrets);
  std::erase_if(resource->secrets, [&](const auto& name) { return !secrets.contains(name); });
  if (listener.traffic_direction() != envoy::config::core::v3::OUTBOUND) {
    resource->workload = listener.address().socket_address().address();
    return resource;
  }
  const auto& chains = listener.filter_chains();
  if (std::any_of(chains.begin(), chains.end(), ForSources)) {
    resource->by_source = std::make_shared<const envoy::config::listener::v3::Listener>(listener);
  }
  return resource;
}

std::shared_ptr<Resource> MakeSecret(const translate::SecretFor& secret) {
  std::shared_ptr<Resource> resource = Make(secret.message);
  resource->version = secret.version;  // not a fingerprint, which would tell of the key
  resource->nodes = secret.nodes;
  return resource;
}

std::shared_ptr<Resource> MakeCluster(const envoy::config::cluster::v3::Cluster& cluster) {
  std::shared_ptr<Resource> resource = Make(cluster);
  std::set<std::string> names;
  config::AddEndpointName(cluster, &names);
  if (!names.empty()) resource->assignment = *names.begin();
  return resource;
}

// All of a rule that tells it from another.
std::string TextOf(const model::LocalityLb& rule) {
  std::string out;
  for (const auto& d : rule.distribute) {
    absl::StrAppend(&out, "from ", d.from);
    for (const auto& [place, percent] : d.to) absl::StrAppend(&out, " to ", place, "=", percent);
  }
  for (const auto& f : rule.failover) absl::StrAppend(&out, " failover ", f.from, "=", f.to);
  for (const auto part : rule.failover_priority) {
    absl::StrAppend(&out, " part ", static_cast<int>(part));
  }
  return out;
}

// Its version is of the rule too: a node that gets the endpoints in its own way is to have them
// again when the rule changes.
std::shared_ptr<Resource> MakeEndpoints(
    const envoy::config::endpoint::v3::ClusterLoadAssignment& endpoints,
    const std::map<std::string, model::LocalityLb>& localities) {
  std::shared_ptr<Resource> resource = Make(endpoints);
  const auto rule = localities.find(endpoints.cluster_name());
  if (rule == localities.end()) return resource;
  resource->locality = rule->second;
  resource->version = Fingerprint(absl::StrCat(resource->any.value(), "|", TextOf(rule->second)));
  return resource;
}

}  // namespace

std::shared_ptr<const Resource> Localized(const Resource& endpoints,
                                          const envoy::config::core::v3::Locality& node) {
  envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
  assignment.ParseFromString(endpoints.any.value());
  translate::Localize(*endpoints.locality, node, &assignment);
  return Make(assignment);
}

const char* TypeUrl(Type type) {
  switch (type) {
    case Type::kCluster:
      return "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    case Type::kEndpoint:
      return "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    case Type::kSecret:
      return "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
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
    case Type::kSecret:
      return "sds";
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

google::protobuf::Any Shown(Type type, const Resource& resource) {
  if (type != Type::kSecret) return resource.any;
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  secret.ParseFromString(resource.any.value());
  if (secret.has_tls_certificate()) {
    secret.mutable_tls_certificate()->mutable_private_key()->set_inline_string("[redacted]");
  }
  return translate::Pack(secret);
}

std::shared_ptr<const Resource> NarrowedTo(const std::set<std::string>& addresses,
                                           const Resource& listener) {
  envoy::config::listener::v3::Listener narrowed = *listener.by_source;
  auto* chains = narrowed.mutable_filter_chains();
  const auto for_others = [&](envoy::config::listener::v3::FilterChain& chain) {
    if (!ForSources(chain)) return false;
    auto* sources = chain.mutable_filter_chain_match()->mutable_source_prefix_ranges();
    sources->erase(std::remove_if(sources->begin(), sources->end(),
                                  [&](const auto& source) {
                                    return !addresses.contains(source.address_prefix());
                                  }),
                   sources->end());
    return sources->empty();
  };
  chains->erase(std::remove_if(chains->begin(), chains->end(), for_others), chains->end());
  return MakeReferring(narrowed);
}

std::string Fingerprint(const std::string& bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3u;
  }
  return absl::StrFormat("%016x", hash);
}

std::string VersionOf(const Resources& resources) {
  std::string versions;
  for (const auto& [name, resource] : resources) {
    absl::StrAppend(&versions, name, "=", resource->version, ";");
  }
  return Fingerprint(versions);
}

std::shared_ptr<const Snapshot> MakeSnapshot(const translate::Resources& resources) {
  auto snapshot = std::make_shared<Snapshot>();
  const auto of = [&](Type t) -> Resources& {
    return snapshot->types[static_cast<size_t>(t)].resources;
  };
  for (const auto& m : resources.clusters) of(Type::kCluster)[m.name()] = MakeCluster(m);
  for (const auto& m : resources.endpoints) {
    of(Type::kEndpoint)[m.cluster_name()] = MakeEndpoints(m, resources.localities);
  }
  for (const auto& m : resources.secrets) of(Type::kSecret)[m.message.name()] = MakeSecret(m);
  for (const auto& m : resources.listeners) {
    of(Type::kListener)[m.name()] = MakeListener(m, of(Type::kSecret));
  }
  for (const auto& m : resources.routes) of(Type::kRoute)[m.name()] = MakeReferring(m);
  std::string all;
  for (TypeSnapshot& t : snapshot->types) {
    t.version = VersionOf(t.resources);
    absl::StrAppend(&all, t.version, ";");
  }
  snapshot->version = Fingerprint(all);
  return snapshot;
}

}  // namespace meltemi::control::pilot::ads_session
