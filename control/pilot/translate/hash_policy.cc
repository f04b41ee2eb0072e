// What of a request decides its endpoint, as the DestinationRules of a route's destinations say.
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::route::v3::RouteAction;

// Adds it once: two destinations mostly say the same.
void AddHashPolicy(const model::ConsistentHash& from, RouteAction* action) {
  RouteAction::HashPolicy to;
  if (!from.header.empty()) to.mutable_header()->set_header_name(from.header);
  if (!from.query_parameter.empty()) to.mutable_query_parameter()->set_name(from.query_parameter);
  if (from.source_ip) to.mutable_connection_properties()->set_source_ip(true);
  if (!from.cookie.empty()) {
    to.mutable_cookie()->set_name(from.cookie);
    to.mutable_cookie()->set_path(from.cookie_path);
    if (from.cookie_ttl) SetDuration(*from.cookie_ttl, to.mutable_cookie()->mutable_ttl());
  }
  for (const RouteAction::HashPolicy& other : action->hash_policy()) {
    if (DeterministicBytes(other) == DeterministicBytes(to)) return;
  }
  *action->add_hash_policy() = std::move(to);
}

}  // namespace

model::TrafficBlocks DestinationBlocks(const model::Model& model, const model::Meta& meta,
                                       const model::Destination& destination,
                                       uint32_t listener_port) {
  const std::string host = model.Resolve(destination.host, meta.ns);
  const model::MeshService* service = model.FindService(host);
  const model::DestinationRule* rule = model.DestinationRuleFor(host);
  if (service == nullptr || rule == nullptr) return {};
  const auto port = model::Model::DestinationPort(*service, destination, listener_port);
  if (!port) return {};
  const model::Subset* subset = nullptr;
  for (const model::Subset& candidate : rule->subsets) {
    if (candidate.name == destination.subset) subset = &candidate;
  }
  return BlocksFor(rule, subset, *port);
}

bool IsConsistent(const model::TrafficBlocks& blocks) {
  return blocks.balancer == model::Balancer::kRingHash ||
         blocks.balancer == model::Balancer::kMaglev;
}

void SetHashPolicy(const model::TrafficBlocks& blocks, RouteAction* action) {
  if (IsConsistent(blocks)) AddHashPolicy(blocks.hash, action);
}

}  // namespace meltemi::control::pilot::translate
