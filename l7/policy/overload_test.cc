#include "l7/policy/overload.h"

#include "gtest/gtest.h"

namespace meltemi::policy {
namespace {

constexpr auto kStop = OverloadAction::kStopAcceptingRequests;
constexpr auto kReject = OverloadAction::kRejectIncomingConnections;

Pressures With(Resource resource, double pressure) {
  Pressures out{};
  out[static_cast<size_t>(resource)] = pressure;
  return out;
}

OverloadSettings With(OverloadAction action, std::vector<OverloadTrigger> triggers) {
  OverloadSettings out;
  out.actions[static_cast<size_t>(action)] = std::move(triggers);
  return out;
}

TEST(OverloadTest, NothingIsDoneWithoutTriggers) {
  EXPECT_FALSE(Decide({}, With(Resource::kHeap, 2)).any());
}

TEST(OverloadTest, AThresholdIsAllOrNothing) {
  const auto settings = With(kStop, {{Resource::kHeap, 0.9, 0.9}});
  EXPECT_EQ(Decide(settings, With(Resource::kHeap, 0.8999)).share(kStop), 0);
  EXPECT_TRUE(Decide(settings, With(Resource::kHeap, 0.9)).saturated(kStop));
  EXPECT_TRUE(Decide(settings, With(Resource::kHeap, 7)).saturated(kStop));
  EXPECT_FALSE(Decide(settings, With(Resource::kCpu, 1)).any());
}

TEST(OverloadTest, AScaledTriggerGrowsBetweenItsThresholds) {
  const auto settings = With(kReject, {{Resource::kCpu, 0.5, 1.0}});
  EXPECT_EQ(Decide(settings, With(Resource::kCpu, 0.5)).share(kReject), 0);
  EXPECT_EQ(Decide(settings, With(Resource::kCpu, 0.75)).share(kReject), 32767);
  const auto nearly = Decide(settings, With(Resource::kCpu, 0.9999999));
  EXPECT_FALSE(nearly.saturated(kReject));
  EXPECT_GT(nearly.share(kReject), 65'500);
  EXPECT_TRUE(Decide(settings, With(Resource::kCpu, 1)).saturated(kReject));
}

TEST(OverloadTest, TheLargestTriggerCounts) {
  const auto settings =
      With(kStop, {{Resource::kHeap, 0.9, 0.9}, {Resource::kConnectionMemory, 0, 1}});
  Pressures pressures = With(Resource::kConnectionMemory, 0.25);
  EXPECT_EQ(Decide(settings, pressures).share(kStop), 16'383);
  pressures[static_cast<size_t>(Resource::kHeap)] = 0.95;
  EXPECT_TRUE(Decide(settings, pressures).saturated(kStop));
}

TEST(OverloadTest, ActionsAreOneWord) {
  OverloadActions actions;
  for (size_t i = 0; i < kOverloadActionCount; ++i) {
    actions.Set(static_cast<OverloadAction>(i), static_cast<uint16_t>(i + 1));
  }
  const auto copy = OverloadActions::FromBits(actions.bits());
  for (size_t i = 0; i < kOverloadActionCount; ++i) {
    EXPECT_EQ(copy.share(static_cast<OverloadAction>(i)), i + 1);
  }
  actions.Set(OverloadAction::kDisableHttpKeepalive, 0);
  EXPECT_EQ(actions.share(kStop), 1);
  EXPECT_EQ(actions.share(OverloadAction::kStopAcceptingConnections), 3);
}

TEST(OverloadTest, NamesFindWhatTheyName) {
  for (size_t i = 0; i < kResourceCount; ++i) {
    const auto resource = static_cast<Resource>(i);
    EXPECT_EQ(FindResource(NameOf(resource)), resource);
  }
  for (size_t i = 0; i < kOverloadActionCount; ++i) {
    const auto action = static_cast<OverloadAction>(i);
    EXPECT_EQ(FindOverloadAction(NameOf(action)), action);
  }
  EXPECT_EQ(FindResource("envoy.resource_monitors.injected_resource"), std::nullopt);
  EXPECT_EQ(FindOverloadAction("envoy.overload_actions.shrink_heap"), std::nullopt);
}

}  // namespace
}  // namespace meltemi::policy
