// Localities: where a cluster's requests go first, by how near its endpoints are to the node that
// asks. Istio's localityLbSetting: of the same cluster two nodes have the same endpoints, with
// other weights (distribute) or other priorities (failover, failoverPriority).
//
// What is near is known when a node has said where it is (Node.locality of its first request):
// AddClusters says by which rule, ads_session applies it. A node that has not said gets what all
// would without the rule. Pure.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_LOCALITY_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_LOCALITY_H_

#include <optional>

#include "control/pilot/model/types.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"

namespace meltemi::control::pilot::translate {

// The rule of a cluster whose traffic policy says `rule` in a mesh that says `mesh`, each if it
// says anything; nullopt: it has none. Without outlier detection nobody would ever go to another
// priority, so that there is no failover then.
enum class Outliers { kEjected, kKept };
std::optional<model::LocalityLb> LocalityRule(const std::optional<model::LocalityLb>& mesh,
                                              const std::optional<model::LocalityLb>& rule,
                                              Outliers outliers);

// Whether the weights of localities count, or only their priorities do.
bool IsLocalityWeighted(const model::LocalityLb& rule);

// What a node of that locality is to have. Endpoints come grouped by locality, as from Assignment.
void Localize(const model::LocalityLb& rule, const envoy::config::core::v3::Locality& node,
              envoy::config::endpoint::v3::ClusterLoadAssignment* assignment);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_LOCALITY_H_
