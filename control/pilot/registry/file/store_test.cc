// Goal: what apply and delete would do to the folder, without a folder. Method: files as values.
#include "control/pilot/registry/file/store.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::registry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

constexpr char kDomain[] = "cluster.local";

std::string Service(const std::string& name) {
  return absl::StrCat("apiVersion: v1\nkind: Service\nmetadata:\n  name: ", name,
                      "\nspec:\n  ports:\n  - name: http\n    port: 80\n");
}

std::string Rule(const std::string& subset) {
  return absl::StrCat(
      "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a}, spec: "
      "{hosts: [a], http: [{route: [{destination: {host: a, subset: ",
      subset, "}}]}]}}");
}

std::string Subsets(const std::string& subset) {
  return absl::StrCat(
      "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a}, spec: "
      "{host: a, subsets: [{name: ",
      subset, "}]}}");
}

std::vector<std::string> Texts(const model::Problems& problems) {
  std::vector<std::string> out;
  for (const model::Problem& problem : problems) out.push_back(ToString(problem));
  return out;
}

TEST(PlanApply, WritesOneFilePerObject) {
  const Plan plan = PlanApply({}, {{"x.yaml", Service("a") + "---\n" + Service("b")}}, kDomain);
  EXPECT_THAT(Texts(plan.problems), IsEmpty());
  EXPECT_THAT(plan.write,
              ElementsAre(Key("service.default.a.yaml"), Key("service.default.b.yaml")));
  EXPECT_EQ(plan.write.at("service.default.a.yaml"), Service("a"));
}

TEST(PlanApply, ReplacesWhereTheObjectIsAndLeavesTheUnchanged) {
  const Files now = {{"mine.yaml", Service("a")}, {"other.yaml", Service("b")}};
  std::string changed = Service("a");
  changed.replace(changed.find("80"), 2, "81");
  const Plan plan = PlanApply(now, {{"x.yaml", changed + "---\n" + Service("b")}}, kDomain);
  EXPECT_THAT(Texts(plan.problems), IsEmpty());
  EXPECT_THAT(plan.write, ElementsAre(Key("mine.yaml")));
  ASSERT_EQ(plan.results.size(), 2u);
  EXPECT_EQ(plan.results[0].second, Outcome::kChanged);
  EXPECT_EQ(plan.results[1].second, Outcome::kUnchanged);
}

TEST(PlanApply, RefusesWhatIsWrongTogetherWithTheRestUnderTheOperatorsFileName) {
  const Files now = {{"a.yaml", Service("a")}, {"dr.yaml", Subsets("v1")}};
  EXPECT_THAT(Texts(PlanApply(now, {{"x.yaml", Rule("v2")}}, kDomain).problems),
              ElementsAre("x.yaml: VirtualService default/a: "
                          "spec.http[0].route[0].destination.subset: \"v2\" is not a subset of "
                          "DestinationRule default/a"));
  EXPECT_THAT(PlanApply(now, {{"x.yaml", Rule("v1")}}, kDomain).problems, IsEmpty());
  // The same change together with what it needs.
  EXPECT_THAT(PlanApply(now, {{"x.yaml", Rule("v2")}, {"y.yaml", Subsets("v2")}}, kDomain).problems,
              IsEmpty());
}

TEST(PlanApply, DoesNotTakeAnObjectOutOfAFileOfSeveral) {
  const Files now = {{"both.yaml", Service("a") + "---\n" + Service("b")}};
  std::string changed = Service("a");
  changed.replace(changed.find("80"), 2, "81");
  EXPECT_THAT(Texts(PlanApply(now, {{"x.yaml", changed}}, kDomain).problems),
              ElementsAre("x.yaml: Service default/a: is written in both.yaml together with other "
                          "objects: edit that file"));
}

TEST(PlanApply, RefusesAnObjectGivenTwiceAndNoObjectAtAll) {
  EXPECT_THAT(Texts(PlanApply({}, {{"x", Service("a")}, {"y", Service("a")}}, kDomain).problems),
              ElementsAre("y: Service default/a: given twice"));
  EXPECT_THAT(Texts(PlanApply({}, {{"x", "# nothing"}}, kDomain).problems),
              ElementsAre("x: no object in it"));
}

TEST(PlanApply, RepairsABrokenFileOfItsOwn) {
  const Files now = {{"service.default.a.yaml", "kind: [broken"}};
  EXPECT_THAT(PlanApply(now, {{"x", Service("a")}}, kDomain).problems, IsEmpty());
}

TEST(PlanDelete, RefusesWhileTheObjectIsNeeded) {
  const Files now = {{"a.yaml", Service("a")}, {"dr.yaml", Subsets("v1")}, {"vs.yaml", Rule("v1")}};
  EXPECT_THAT(
      Texts(PlanDelete(now, {{"DestinationRule", "default", "a"}}, kDomain).problems),
      ElementsAre("vs.yaml: VirtualService default/a: spec.http[0].route[0].destination.subset: "
                  "\"v1\": no DestinationRule for host \"a.default.svc.cluster.local\""));
  const Plan plan = PlanDelete(
      now, {{"DestinationRule", "default", "a"}, {"VirtualService", "default", "a"}}, kDomain);
  EXPECT_THAT(plan.problems, IsEmpty());
  EXPECT_THAT(plan.remove, ElementsAre("dr.yaml", "vs.yaml"));
}

TEST(PlanDelete, NamesWhatIsNotThere) {
  EXPECT_THAT(Texts(PlanDelete({}, {{"Service", "default", "a"}}, kDomain).problems),
              ElementsAre("Service default/a: not found"));
}

TEST(ObjectFiles, AreYamlAndJsonAndNotHidden) {
  EXPECT_TRUE(IsObjectFile("a.yaml"));
  EXPECT_TRUE(IsObjectFile("a.yml"));
  EXPECT_TRUE(IsObjectFile("a.json"));
  EXPECT_FALSE(IsObjectFile(".a.yaml.tmp"));
  EXPECT_FALSE(IsObjectFile(".a.yaml"));
  EXPECT_FALSE(IsObjectFile("a.yaml~"));
  EXPECT_FALSE(IsObjectFile(""));
}

TEST(Debouncer, WaitsForQuietButNotForEver) {
  Debouncer debouncer(absl::Milliseconds(20), absl::Milliseconds(50));
  const absl::Time start = absl::UnixEpoch();
  EXPECT_EQ(debouncer.due(), absl::InfiniteFuture());
  debouncer.Event(start);
  EXPECT_EQ(debouncer.due(), start + absl::Milliseconds(20));
  debouncer.Event(start + absl::Milliseconds(15));
  EXPECT_EQ(debouncer.due(), start + absl::Milliseconds(35));
  debouncer.Event(start + absl::Milliseconds(34));
  EXPECT_EQ(debouncer.due(), start + absl::Milliseconds(50));
  debouncer.Done();
  EXPECT_EQ(debouncer.due(), absl::InfiniteFuture());
}

}  // namespace
}  // namespace meltemi::control::pilot::registry
