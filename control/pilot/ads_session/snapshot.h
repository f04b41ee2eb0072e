// One version of everything Pilot serves: the resource types by name, packed, each resource
// and each type with the fingerprint of its content as its version. Equal content has equal
// versions, also in another Pilot. Immutable; shared between the streams that have it in flight.
// Pure.
#ifndef MELTEMI_CONTROL_PILOT_ADS_SESSION_SNAPSHOT_H_
#define MELTEMI_CONTROL_PILOT_ADS_SESSION_SNAPSHOT_H_

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "control/pilot/translate/translate.h"
#include "google/protobuf/any.pb.h"

namespace meltemi::control::pilot::ads_session {

// In the order they are pushed: what is pointed at before what points at it.
enum class Type { kCluster, kEndpoint, kSecret, kListener, kRoute };
inline constexpr int kTypeCount = 5;
inline constexpr std::array<Type, kTypeCount> kTypes = {
    Type::kCluster, Type::kEndpoint, Type::kSecret, Type::kListener, Type::kRoute};

const char* TypeUrl(Type type);
const char* ShortName(Type type);  // "cds"
std::optional<Type> TypeFromUrl(const std::string& url);

struct Resource {
  std::string version;
  google::protobuf::Any any;
  std::set<std::string> clusters;  // of a listener or routes: those they send to
  std::string assignment;          // of an EDS cluster: the endpoints it takes
  std::string
      workload;  // of a listener of a workload: the address whose node it is for; else empty
  std::set<std::string> secrets;              // of a listener: those of Pilot's that it serves with
  std::optional<model::LocalityLb> locality;  // of endpoints: what a node gets of them
  std::set<std::string> nodes;                // of a secret: those that may have it
  // Of a listener whose filter chains are for clients of the mesh, by address: itself. A node has
  // them for its own workloads only (`NarrowedTo`).
  std::shared_ptr<const envoy::config::listener::v3::Listener> by_source;
};
using Resources = std::map<std::string, std::shared_ptr<const Resource>>;  // by name

struct TypeSnapshot {
  std::string version;
  Resources resources;
};

struct Snapshot {
  std::string version;
  std::array<TypeSnapshot, kTypeCount> types;

  const TypeSnapshot& type(Type t) const { return types[static_cast<size_t>(t)]; }
};

// Of endpoints that have a rule: as a node of that locality gets them.
std::shared_ptr<const Resource> Localized(const Resource& endpoints,
                                          const envoy::config::core::v3::Locality& node);

std::shared_ptr<const Snapshot> MakeSnapshot(const translate::Resources& resources);

// Of a listener with `by_source`, what a node with these workloads gets: addresses of others are
// taken away, and chains that were for others alone, so that only its own pods change it.
std::shared_ptr<const Resource> NarrowedTo(const std::set<std::string>& addresses,
                                           const Resource& listener);

// The version of a type that consists of these.
std::string VersionOf(const Resources& resources);

// What may be shown of a resource: of a secret, all but its private key.
google::protobuf::Any Shown(Type type, const Resource& resource);

// FNV-1a, 64 bits, as 16 hexadecimal digits: the same in every process.
std::string Fingerprint(const std::string& bytes);

}  // namespace meltemi::control::pilot::ads_session

#endif  // MELTEMI_CONTROL_PILOT_ADS_SESSION_SNAPSHOT_H_
