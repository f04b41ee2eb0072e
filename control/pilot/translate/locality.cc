#include "control/pilot/translate/locality.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::core::v3::Locality;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using model::LocalityLb;

// "region/zone/subzone"; "*" is any, and so is what is not there.
bool Matches(const Locality& locality, const std::string& rule) {
  const std::vector<std::string> parts = absl::StrSplit(rule, absl::MaxSplits('/', 2));
  const std::string* const have[] = {&locality.region(), &locality.zone(), &locality.sub_zone()};
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool any = parts[i] == "*" || (i > 0 && parts[i].empty());
    if (!any && parts[i] != *have[i]) return false;
  }
  return true;
}

// As Istio: a place in `to` that several localities match is shared among them by what they weigh,
// and those that none matches get nothing.
void Distribute(const LocalityLb::Distribution& distribution, ClusterLoadAssignment* assignment) {
  std::vector<bool> taken(static_cast<size_t>(assignment->endpoints_size()), false);
  for (const auto& [place, percent] : distribution.to) {
    std::vector<int> matching;
    uint64_t total = 0;
    for (int i = 0; i < assignment->endpoints_size(); ++i) {
      if (taken[i] || !Matches(assignment->endpoints(i).locality(), place)) continue;
      taken[i] = true;
      matching.push_back(i);
      total += assignment->endpoints(i).load_balancing_weight().value();
    }
    for (const int i : matching) {
      auto* weight = assignment->mutable_endpoints(i)->mutable_load_balancing_weight();
      const double share =
          static_cast<double>(weight->value()) * percent / static_cast<double>(total);
      if (share > 0) weight->set_value(static_cast<uint32_t>(std::ceil(share)));
    }
  }
  auto* groups = assignment->mutable_endpoints();
  for (int i = groups->size() - 1; i >= 0; --i) {
    if (!taken[i]) groups->DeleteSubrange(i, 1);
  }
}

// Istio's: 0 the same subzone, 1 the same zone, 2 the same region, 3 another; 4 another where the
// rule names the one to go to.
uint32_t PriorityByPlace(const LocalityLb& rule, const Locality& node, const Locality& endpoint) {
  if (endpoint.region() == node.region()) {
    if (endpoint.zone() != node.zone()) return 2;
    return endpoint.sub_zone() == node.sub_zone() ? 0 : 1;
  }
  for (const LocalityLb::Failover& failover : rule.failover) {
    if (failover.from == node.region()) return failover.to == endpoint.region() ? 3 : 4;
  }
  return 3;
}

// How many of the labels, from the first that differs, are not alike.
uint32_t PriorityByLabels(const LocalityLb& rule, const Locality& node, const Locality& endpoint) {
  uint32_t left = static_cast<uint32_t>(rule.failover_priority.size());
  for (const LocalityLb::Part part : rule.failover_priority) {
    const auto of = [part](const Locality& locality) -> const std::string& {
      switch (part) {
        case LocalityLb::Part::kRegion:
          return locality.region();
        case LocalityLb::Part::kZone:
          return locality.zone();
        case LocalityLb::Part::kSubzone:
          return locality.sub_zone();
      }
      return locality.region();
    };
    if (of(node) != of(endpoint)) return left;
    --left;
  }
  return 0;
}

}  // namespace

std::optional<LocalityLb> LocalityRule(const std::optional<LocalityLb>& mesh,
                                       const std::optional<LocalityLb>& rule, Outliers outliers) {
  // A rule is on unless it says that it is not, whatever the mesh says.
  LocalityLb out = rule ? *rule : mesh.value_or(LocalityLb());
  if (!out.enabled.value_or(true)) return std::nullopt;
  if (out.distribute.empty() && outliers == Outliers::kKept) return std::nullopt;
  return out;
}

bool IsLocalityWeighted(const LocalityLb& rule) {
  return !rule.distribute.empty() || !rule.failover.empty() || !rule.failover_priority.empty();
}

void Localize(const LocalityLb& rule, const Locality& node, ClusterLoadAssignment* assignment) {
  if (!rule.distribute.empty()) {
    const auto found = std::find_if(rule.distribute.begin(), rule.distribute.end(),
                                    [&](const auto& d) { return Matches(node, d.from); });
    if (found != rule.distribute.end()) Distribute(*found, assignment);
    return;
  }
  // By labels first, then, unless labels are all that is said, by place.
  const bool by_place = rule.failover_priority.empty() || !rule.failover.empty();
  std::map<uint32_t, std::vector<int>> priorities;
  for (int i = 0; i < assignment->endpoints_size(); ++i) {
    const Locality& endpoint = assignment->endpoints(i).locality();
    constexpr uint32_t kPlaces = 5;
    uint32_t priority = kPlaces * PriorityByLabels(rule, node, endpoint);
    if (by_place) priority += PriorityByPlace(rule, node, endpoint);
    priorities[priority].push_back(i);
  }
  // Envoy wants them without gaps.
  uint32_t next = 0;
  for (const auto& [priority, groups] : priorities) {
    for (const int i : groups) assignment->mutable_endpoints(i)->set_priority(next);
    ++next;
  }
}

}  // namespace meltemi::control::pilot::translate
