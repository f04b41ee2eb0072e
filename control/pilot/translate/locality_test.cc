// Goal: what a node gets of a cluster follows from where it is, as Istio's rules have it. Method:
// endpoints of six places; the rule's outcome as text, by tables.
#include "control/pilot/translate/locality.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::core::v3::Locality;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using model::LocalityLb;

Locality Place(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  Locality out;
  out.set_region(parts[0]);
  if (parts.size() > 1) out.set_zone(parts[1]);
  if (parts.size() > 2) out.set_sub_zone(parts[2]);
  return out;
}

constexpr const char* kPlaces[] = {"eu/1/a", "eu/1/b", "eu/2/a", "us/1/a", "as/1/a", ""};

ClusterLoadAssignment Assignment() {
  ClusterLoadAssignment out;
  for (const char* place : kPlaces) {
    auto* group = out.add_endpoints();
    *group->mutable_locality() = Place(place);
    group->mutable_load_balancing_weight()->set_value(group->locality().zone() == "2" ? 3 : 1);
  }
  return out;
}

// "eu/1/a:priority*weight" of each place that is left.
std::string Localized(const LocalityLb& rule, const std::string& node) {
  ClusterLoadAssignment assignment = Assignment();
  Localize(rule, Place(node), &assignment);
  std::string out;
  for (const auto& group : assignment.endpoints()) {
    const Locality& at = group.locality();
    absl::StrAppend(&out, out.empty() ? "" : " ", at.region(), "/", at.zone(), "/", at.sub_zone(),
                    ":", group.priority(), "*", group.load_balancing_weight().value());
  }
  return out;
}

TEST(Locality, TheNearestComeFirst) {
  EXPECT_EQ(Localized({}, "eu/1/a"),
            "eu/1/a:0*1 eu/1/b:1*1 eu/2/a:2*3 us/1/a:3*1 as/1/a:3*1 //:3*1");
  EXPECT_EQ(Localized({}, "eu/2/c"),  // without gaps
            "eu/1/a:1*1 eu/1/b:1*1 eu/2/a:0*3 us/1/a:2*1 as/1/a:2*1 //:2*1");
  EXPECT_EQ(Localized({}, "af/1/a"),
            "eu/1/a:0*1 eu/1/b:0*1 eu/2/a:0*3 us/1/a:0*1 as/1/a:0*1 //:0*1");
}

TEST(Locality, FailoverNamesTheNextRegion) {
  LocalityLb rule;
  rule.failover = {{"eu", "as"}, {"us", "eu"}};
  EXPECT_EQ(Localized(rule, "eu/1/a"),
            "eu/1/a:0*1 eu/1/b:1*1 eu/2/a:2*3 us/1/a:4*1 as/1/a:3*1 //:4*1");
  EXPECT_EQ(Localized(rule, "us/1/a"),
            "eu/1/a:1*1 eu/1/b:1*1 eu/2/a:1*3 us/1/a:0*1 as/1/a:2*1 //:2*1");
  EXPECT_EQ(Localized(rule, "as/1/a"),  // of which nothing is said
            "eu/1/a:1*1 eu/1/b:1*1 eu/2/a:1*3 us/1/a:1*1 as/1/a:0*1 //:1*1");
}

TEST(Locality, FailoverPriorityGoesByTheFirstLabelThatDiffers) {
  LocalityLb rule;
  rule.failover_priority = {LocalityLb::Part::kRegion, LocalityLb::Part::kZone};
  EXPECT_EQ(Localized(rule, "eu/1/a"),
            "eu/1/a:0*1 eu/1/b:0*1 eu/2/a:1*3 us/1/a:2*1 as/1/a:2*1 //:2*1");
  rule.failover_priority = {LocalityLb::Part::kSubzone};
  EXPECT_EQ(Localized(rule, "eu/1/a"),
            "eu/1/a:0*1 eu/1/b:1*1 eu/2/a:0*3 us/1/a:0*1 as/1/a:0*1 //:1*1");
  rule.failover = {{"eu", "us"}};  // among those alike, by place
  EXPECT_EQ(Localized(rule, "eu/1/a"),
            "eu/1/a:0*1 eu/1/b:4*1 eu/2/a:1*3 us/1/a:2*1 as/1/a:3*1 //:5*1");
}

TEST(Locality, DistributeSharesByPercent) {
  LocalityLb rule;
  rule.distribute = {{"eu/1/*", {{"eu/1/*", 80}, {"eu/2/*", 15}, {"us", 5}}},
                     {"eu/*", {{"eu/*", 100}}},
                     {"*", {{"as", 1}, {"*", 99}}}};
  EXPECT_EQ(Localized(rule, "eu/1/a"), "eu/1/a:0*40 eu/1/b:0*40 eu/2/a:0*15 us/1/a:0*5");
  EXPECT_EQ(Localized(rule, "eu/2/a"), "eu/1/a:0*20 eu/1/b:0*20 eu/2/a:0*60");
  rule.distribute.pop_back();
  EXPECT_EQ(Localized(rule, "us/1/a"),  // nobody speaks of it
            "eu/1/a:0*1 eu/1/b:0*1 eu/2/a:0*3 us/1/a:0*1 as/1/a:0*1 //:0*1");
}

TEST(Locality, WhoseRuleHolds) {
  LocalityLb off, on, spread;
  off.enabled = false;
  on.enabled = true;
  spread.distribute = {{"*", {{"*", 100}}}};
  const std::optional<LocalityLb> none;
  // Istio's default, where there is somebody to fail over from.
  EXPECT_TRUE(LocalityRule(none, none, Outliers::kEjected).has_value());
  EXPECT_FALSE(LocalityRule(none, none, Outliers::kKept).has_value());
  EXPECT_FALSE(LocalityRule(off, none, Outliers::kEjected).has_value());
  EXPECT_FALSE(LocalityRule(none, off, Outliers::kEjected).has_value());
  EXPECT_TRUE(LocalityRule(off, on, Outliers::kEjected).has_value());
  EXPECT_TRUE(LocalityRule(none, spread, Outliers::kKept).has_value());
  EXPECT_EQ(LocalityRule(spread, on, Outliers::kEjected)->distribute.size(), 0u);
  EXPECT_EQ(LocalityRule(spread, none, Outliers::kKept)->distribute.size(), 1u);
}

}  // namespace
}  // namespace meltemi::control::pilot::translate
