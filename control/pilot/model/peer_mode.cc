// What a workload takes from its peers: plain text, mutual TLS or both.
#include <algorithm>
#include <tuple>

#include "control/pilot/model/builder.h"

namespace meltemi::control::pilot::model {
namespace {

// Where the policy speaks, workload before namespace before mesh.
enum class Scope { kNone, kMesh, kNamespace, kWorkload };

Scope ScopeOf(const PeerAuthentication& policy, const Endpoint& endpoint,
              const std::string& root_namespace) {
  const bool here = policy.meta.ns == endpoint.ns;
  if (!policy.selector.empty()) {
    return here && LabelsMatch(policy.selector, endpoint.labels) ? Scope::kWorkload : Scope::kNone;
  }
  if (policy.meta.ns == root_namespace) return Scope::kMesh;
  return here ? Scope::kNamespace : Scope::kNone;
}

}  // namespace

void ModelBuilder::AddPeerAuthentications() {
  model_.peer_authentications_ = objects_.peer_authentications;
  // Of two that say something about the same, the older one counts; times of Kubernetes (RFC 3339,
  // UTC) compare as text. What has no time is from a file, and older.
  std::sort(model_.peer_authentications_.begin(), model_.peer_authentications_.end(),
            [](const PeerAuthentication& a, const PeerAuthentication& b) {
              return std::tie(a.meta.created, a.meta.ns, a.meta.name) <
                     std::tie(b.meta.created, b.meta.ns, b.meta.name);
            });
}

std::set<uint32_t> Model::PeerPorts(const Endpoint& endpoint) const {
  std::set<uint32_t> out;
  for (const PeerAuthentication& policy : peer_authentications_) {
    if (ScopeOf(policy, endpoint, "") != Scope::kWorkload) continue;
    for (const auto& [port, mode] : policy.ports) out.insert(port);
  }
  return out;
}

PeerMode Model::PeerModeFor(const Endpoint& endpoint, uint32_t port,
                            const std::string& root_namespace) const {
  for (const Scope scope : {Scope::kWorkload, Scope::kNamespace, Scope::kMesh}) {
    for (const PeerAuthentication& policy : peer_authentications_) {
      if (ScopeOf(policy, endpoint, root_namespace) != scope) continue;
      const auto own = policy.ports.find(port);
      if (own != policy.ports.end() && own->second != PeerMode::kUnset) return own->second;
      if (policy.mode != PeerMode::kUnset) return policy.mode;
      break;  // it leaves it to what stands above it
    }
  }
  return PeerMode::kUnset;
}

bool InMesh(const Endpoint& endpoint) {
  const auto label = endpoint.labels.find("security.istio.io/tlsMode");
  return label != endpoint.labels.end() && label->second == "istio" &&
         !endpoint.service_account.empty();
}

}  // namespace meltemi::control::pilot::model
