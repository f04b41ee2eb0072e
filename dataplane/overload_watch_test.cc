// Goal: pressures are what was measured, workers are told at each look, and the statistics have
// Envoy's names. Method: a slot written as workers would, readings by hand.
#include "dataplane/overload_watch.h"

#include "gtest/gtest.h"

namespace meltemi {
namespace {

using policy::OverloadAction;
using policy::Resource;

constexpr auto kStop = OverloadAction::kStopAcceptingRequests;

class OverloadWatchTest : public ::testing::Test {
 protected:
  OverloadWatchTest() {
    settings_.refresh_interval = Duration::Millis(250);
    settings_.most = {1000, 10, 1, 1};
  }
  void Trigger(Resource resource, double at) {
    settings_.actions[static_cast<size_t>(kStop)].push_back({resource, at, at});
  }
  OverloadWatch Watch() { return OverloadWatch(settings_, 2, 4000, &slot_); }
  bool Stopped() const {
    return policy::OverloadActions::FromBits(slot_.actions()).saturated(kStop);
  }
  static double Pressure(const OverloadWatch& watch, Resource resource) {
    return watch.pressures()[static_cast<size_t>(resource)];
  }
  static double Sample(const OverloadWatch& watch, std::string_view name) {
    for (const auto& sample : watch.Samples()) {
      if (sample.name == name) return sample.value;
    }
    return -1;
  }

  policy::OverloadSettings settings_;
  shared::OverloadSlot slot_{2};
  Instant now_ = Instant::FromNanos(1'000'000'000);
};

TEST_F(OverloadWatchTest, ItLooksOncePerInterval) {
  OverloadWatch watch = Watch();
  EXPECT_TRUE(watch.due(now_));
  watch.Look({}, now_);
  EXPECT_FALSE(watch.due(now_ + Duration::Millis(249)));
  EXPECT_TRUE(watch.due(now_ + Duration::Millis(250)));
}

TEST_F(OverloadWatchTest, MemoryOfTheProcess) {
  Trigger(Resource::kHeap, 0.9);
  OverloadWatch watch = Watch();
  watch.Look({.resident_bytes = 899}, now_);
  EXPECT_DOUBLE_EQ(Pressure(watch, Resource::kHeap), 0.899);
  EXPECT_FALSE(Stopped());
  watch.Look({.resident_bytes = 900}, now_);
  EXPECT_TRUE(Stopped());
  EXPECT_EQ(Sample(watch, "envoy_overload_envoy_resource_monitors_fixed_heap_pressure"), 90);
  EXPECT_EQ(Sample(watch, "envoy_overload_envoy_overload_actions_stop_accepting_requests_active"),
            1);
  // What cannot be read changes nothing, and is counted.
  watch.Look({}, now_);
  EXPECT_TRUE(Stopped());
  EXPECT_EQ(Sample(watch, "envoy_overload_envoy_resource_monitors_fixed_heap_failed_updates"), 1);
  watch.Look({.resident_bytes = 10}, now_);
  EXPECT_FALSE(Stopped());
  EXPECT_EQ(Sample(watch, "envoy_overload_envoy_overload_actions_stop_accepting_requests_active"),
            0);
}

TEST_F(OverloadWatchTest, TheBusiestWorkerCounts) {
  Trigger(Resource::kCpu, 0.75);
  OverloadWatch watch = Watch();
  slot_.Publish(0, 5'000'000, 0);
  watch.Look({.cycles = 10'000'000}, now_);  // nothing to compare with yet
  EXPECT_EQ(Pressure(watch, Resource::kCpu), 0);
  slot_.Publish(0, 5'250'000, 0);
  slot_.Publish(1, 750'000, 0);
  watch.Look({.cycles = 11'000'000}, now_);
  EXPECT_DOUBLE_EQ(Pressure(watch, Resource::kCpu), 0.75);
  EXPECT_TRUE(Stopped());
  watch.Look({.cycles = 12'000'000}, now_);
  EXPECT_EQ(Pressure(watch, Resource::kCpu), 0);
  EXPECT_FALSE(Stopped());
}

TEST_F(OverloadWatchTest, ConnectionsAndWhatTheyHold) {
  Trigger(Resource::kConnections, 0.5);
  Trigger(Resource::kConnectionMemory, 0.5);
  OverloadWatch watch = Watch();
  slot_.connections()->Store(4);
  slot_.Publish(1, 0, 1999);
  watch.Look({}, now_);
  EXPECT_DOUBLE_EQ(Pressure(watch, Resource::kConnections), 0.4);
  EXPECT_DOUBLE_EQ(Pressure(watch, Resource::kConnectionMemory), 1999 / 4000.0);
  EXPECT_FALSE(Stopped());
  slot_.Publish(1, 0, 2000);
  watch.Look({}, now_);
  EXPECT_TRUE(Stopped());
  slot_.Publish(1, 0, 0);
  slot_.connections()->Store(5);
  watch.Look({}, now_);
  EXPECT_TRUE(Stopped());
}

TEST_F(OverloadWatchTest, WhatIsNotWatchedHasNoStatistics) {
  settings_.most = {0, 10, 0, 0};
  Trigger(Resource::kConnections, 0.5);
  const OverloadWatch watch = Watch();
  EXPECT_EQ(watch.Samples().size(), 3u);
}

}  // namespace
}  // namespace meltemi
