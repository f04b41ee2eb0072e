// localityLbSetting, of a DestinationRule and of the MeshConfig. What Istio's validation refuses is
// refused here.
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {
namespace {

LocalityLb::Distribution ReadDistribution(MapReader& map) {
  LocalityLb::Distribution out;
  out.from = map.RequiredString("from");
  uint64_t total = 0;
  map.EachEntry("to",
                [&](const std::string& place, const YAML::Node& value, const std::string& path) {
                  uint32_t percent = 0;
                  if (!value.IsScalar() || !absl::SimpleAtoi(value.Scalar(), &percent) ||
                      percent < 1 || percent > 100) {
                    map.report().Add(path, "must be a whole number in 1..100");
                    return;
                  }
                  out.to[place] = percent;
                  total += percent;
                });
  if (total != 100) map.Problem("to", absl::StrCat("must add up to 100, is ", total));
  return out;
}

LocalityLb::Failover ReadFailover(MapReader& map) {
  LocalityLb::Failover out{.from = map.RequiredString("from"), .to = map.RequiredString("to")};
  if (!out.from.empty() && out.from == out.to) map.Problem("to", "must be another region");
  for (const auto& [name, region] : {std::pair("from", &out.from), {"to", &out.to}}) {
    if (region->find_first_of("/*") != std::string::npos) {
      map.Problem(name, "must be a region, without \"/\" and \"*\"");
    }
  }
  return out;
}

// Of the labels that say where something is: a node has no others.
std::vector<LocalityLb::Part> ReadPriority(MapReader& map) {
  const std::pair<const char*, LocalityLb::Part> kLabels[] = {
      {"topology.kubernetes.io/region", LocalityLb::Part::kRegion},
      {"topology.kubernetes.io/zone", LocalityLb::Part::kZone},
      {"topology.istio.io/subzone", LocalityLb::Part::kSubzone}};
  std::vector<LocalityLb::Part> out;
  for (const std::string& label : map.StringList("failoverPriority")) {
    bool known = false;
    for (const auto& [name, part] : kLabels) {
      if (label != name) continue;
      known = true;
      out.push_back(part);
    }
    if (!known) {
      map.Problem("failoverPriority", absl::StrCat("\"", label, "\" is not supported yet"));
    }
  }
  return out;
}

}  // namespace

LocalityLb ReadLocalityLb(MapReader& map) {
  LocalityLb out;
  out.enabled = map.Bool("enabled");
  map.Each("distribute",
           [&](MapReader& each) { out.distribute.push_back(ReadDistribution(each)); });
  map.Each("failover", [&](MapReader& each) { out.failover.push_back(ReadFailover(each)); });
  out.failover_priority = ReadPriority(map);
  if (!out.distribute.empty() && (!out.failover.empty() || !out.failover_priority.empty())) {
    map.Problem("distribute", "give only one of distribute, failover, failoverPriority");
  }
  return out;
}

}  // namespace meltemi::control::pilot::model
