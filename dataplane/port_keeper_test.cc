// Goal: ports come, go and return as devices and the configuration do, each for itself; a number is
// used again only when every worker has let go of it. Method: ports and mail of our own, virtual
// time.
#include "dataplane/port_keeper.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

constexpr int kWorkers = 2;

// The devices there are, by device string. Removing one makes its port gone.
struct World {
  std::set<std::string> devices;
  std::map<std::string, int> opened, closed;
};

class FakePort final : public nic::Port {
 public:
  FakePort(World* world, std::string device) : world_(world), device_(std::move(device)) {
    ++world_->opened[device_];
  }
  int RxBurst(int, packet::PacketPool&, std::span<packet::Packet*>) override { return 0; }
  int TxBurst(int, packet::PacketPool&, std::span<packet::Packet*>) override { return 0; }
  int event_fd(int) const override { return -1; }
  nic::PortCaps caps() const override { return {.tx_queues = kWorkers}; }
  nic::PortState state() const override {
    return world_->devices.count(device_) > 0 ? nic::PortState::kUp : nic::PortState::kGone;
  }
  nic::MacAddr mac() const override { return {}; }
  const nic::PortCounters& rx_counters(int) const override { return counters_; }
  const nic::PortCounters& tx_counters(int) const override { return counters_; }
  void Close() override { ++world_->closed[device_]; }

 private:
  World* const world_;
  const std::string device_;
  nic::PortCounters counters_;
};

agent::PortConfig Pod(const std::string& name, const std::string& device) {
  agent::PortConfig config;
  config.name = name;
  config.device = device;
  return config;
}

agent::WorkloadConfig Workload(const std::string& name, const std::string& port,
                               const char* address) {
  agent::WorkloadConfig w;
  w.workload.name = name;
  w.workload.ns = "default";
  w.workload.addresses = {*IpAddr::Parse(address)};
  w.port = port;
  return w;
}

class PortKeeperTest : public ::testing::Test {
 protected:
  PortKeeper keeper_{{.node = "node-a",
                      .workers = kWorkers,
                      .pools = {},
                      .open = [this](const std::string& device,
                                     const nic::MakePortOptions& o) { return Open(device, o); },
                      .send = [this](int worker, worker::Mail&& mail) { Take(worker, mail); }}};

  absl::StatusOr<std::unique_ptr<nic::Port>> Open(const std::string& device,
                                                  const nic::MakePortOptions& /*options*/) {
    ++tries_[device];
    if (world_.devices.count(device) == 0) return absl::NotFoundError("no such device");
    return std::make_unique<FakePort>(&world_, device);
  }

  // What worker 0 is told, as text; both must be told the same.
  void Take(int worker, worker::Mail& mail) {
    std::string text;
    if (auto* attach = std::get_if<worker::AttachPort>(&mail)) {
      const worker::PortAttachment& a = *attach->attachment;
      text = Cat("attach ", a.id, " ", a.name);
      if (a.workload != nullptr) AppendTo(&text, " ", a.workload->name);
      for (const IpAddr& pod : a.ip.pod_addresses) AppendTo(&text, " ", pod.ToString());
      for (const config::Workload* gateway : a.gateways) AppendTo(&text, " =", gateway->name);
      rx_queues_[a.name].push_back(a.rx_queue);
    } else if (auto* detach = std::get_if<worker::DetachPort>(&mail)) {
      text = Cat("detach ", detach->id);
    } else if (auto* routes = std::get_if<worker::SetRoutes>(&mail)) {
      text = "routes";
      for (const ip::Route& r : routes->routes) {
        AppendTo(&text, " ", r.prefix.ToString(), "->", r.port);
      }
    }
    (worker == 0 ? told_ : told_other_).push_back(text);
  }
  std::vector<std::string> Told() {
    EXPECT_EQ(told_, told_other_);
    told_other_.clear();
    return std::exchange(told_, {});
  }
  void ReleaseEverywhere(ip::PortId id) {
    for (int i = 0; i < kWorkers; ++i) keeper_.OnReleased(id, now_);
  }
  void Pass(Duration time) {
    now_ = now_ + time;
    keeper_.Watch(now_);
  }
  static nic::LinkNews News(const std::string& name, int index, nic::PortState state) {
    return {.events = {{.index = index, .name = name, .state = state}}};
  }

  using Strings = std::vector<std::string>;
  World world_;
  std::map<std::string, int> tries_;
  std::map<std::string, std::vector<int>> rx_queues_;
  Strings told_, told_other_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
};

TEST_F(PortKeeperTest, OpensAllAndOneWorkerReceivesFromEach) {
  world_.devices = {"veth:a", "veth:b"};
  keeper_.Use({.ports = {Pod("a", "veth:a"), Pod("b", "veth:b")},
               .workloads = {Workload("wa", "a", "10.1.0.10")}},
              now_);
  EXPECT_EQ(Told(), (Strings{"routes 10.1.0.10/32->0", "attach 0 a wa 10.1.0.10", "attach 1 b"}));
  EXPECT_EQ(rx_queues_["a"], (std::vector<int>{0, -1}));
  EXPECT_EQ(rx_queues_["b"], (std::vector<int>{-1, 0}));
}

// A gateway is the plane itself: nothing is routed to it, and its clients are not held to its
// address.
TEST_F(PortKeeperTest, WorkloadsOfAnUplinkAreGateways) {
  world_.devices = {"veth:u"};
  agent::PortConfig uplink = Pod("u", "veth:u");
  uplink.kind = agent::PortRole::kUplink;
  uplink.addresses = {{*IpAddr::Parse("172.16.0.1"), *IpPrefix::Parse("172.16.0.0/24")}};
  keeper_.Use({.ports = {uplink}, .workloads = {Workload("ingress", "u", "172.16.0.1")}}, now_);
  EXPECT_EQ(Told(), (Strings{"routes 172.16.0.0/24->0", "attach 0 u =ingress"}));
}

TEST_F(PortKeeperTest, ADeletedDeviceIsDetachedByNewsAndReturnsByNews) {
  world_.devices = {"veth:a", "veth:b"};
  keeper_.Use({.ports = {Pod("a", "veth:a"), Pod("b", "veth:b")}}, now_);
  Told();
  world_.devices.erase("veth:a");
  keeper_.OnNews(News("a", 7, nic::PortState::kGone), now_);
  EXPECT_EQ(Told(), Strings{"detach 0"});
  EXPECT_TRUE(keeper_.releasing());
  keeper_.OnReleased(0, now_);
  EXPECT_EQ(world_.closed["veth:a"], 0);  // the other worker still has it
  keeper_.OnReleased(0, now_);
  EXPECT_EQ(world_.closed["veth:a"], 1);
  EXPECT_FALSE(keeper_.releasing());
  Pass(Duration::Millis(1));  // one try at once, in vain
  EXPECT_EQ(tries_["veth:a"], 2);
  world_.devices.insert("veth:a");
  keeper_.OnNews(News("a", 8, nic::PortState::kDown), now_);
  EXPECT_EQ(Told(), Strings{"attach 0 a"});
  EXPECT_EQ(world_.opened["veth:b"], 1);
}

TEST_F(PortKeeperTest, ADeviceThatReturnedWhileWorkersLetGoIsOpenedAfter) {
  world_.devices = {"veth:a"};
  keeper_.Use({.ports = {Pod("a", "veth:a")}}, now_);
  world_.devices.clear();
  keeper_.OnNews(News("a", 7, nic::PortState::kGone), now_);
  world_.devices = {"veth:a"};
  keeper_.OnNews(News("a", 8, nic::PortState::kDown), now_);
  Told();
  ReleaseEverywhere(0);
  keeper_.Watch(now_);
  EXPECT_EQ(Told(), Strings{"attach 0 a"});
}

TEST_F(PortKeeperTest, ADeviceThatCannotBeOpenedIsTriedOnceByNewsThenBySecond) {
  keeper_.Use({.ports = {Pod("a", "af_xdp:a")}}, now_);
  EXPECT_EQ(tries_["af_xdp:a"], 1);
  for (int i = 0; i < 5; ++i) keeper_.OnNews(News("a", 7, nic::PortState::kUp), now_);
  EXPECT_EQ(tries_["af_xdp:a"], 2);
  Pass(PortKeeper::kRetry - Duration::Nanos(1));
  EXPECT_EQ(tries_["af_xdp:a"], 2);
  Pass(Duration::Nanos(1));
  EXPECT_EQ(tries_["af_xdp:a"], 3);
  keeper_.OnNews(News("a", 8, nic::PortState::kUp), now_);  // another device of that name
  EXPECT_EQ(tries_["af_xdp:a"], 4);
  EXPECT_EQ(keeper_.Statuses()[0].error, "no such device");
}

TEST_F(PortKeeperTest, LostNewsMeansLookingAtEverything) {
  world_.devices = {"veth:a"};
  keeper_.Use({.ports = {Pod("a", "veth:a"), Pod("b", "veth:b")}}, now_);
  Told();
  world_.devices = {"veth:b"};
  keeper_.OnNews({.events = {}, .lost = true}, now_);
  EXPECT_EQ(Told(), (Strings{"detach 0", "attach 1 b"}));
}

TEST_F(PortKeeperTest, WhatNetlinkDoesNotSeeIsLookedAt) {
  world_.devices = {"vhost:/s"};
  keeper_.Use({.ports = {Pod("a", "vhost:/s")}}, now_);
  keeper_.Watch(now_);
  Told();
  world_.devices.clear();
  Pass(Duration::Millis(99));
  EXPECT_EQ(Told(), Strings{});
  Pass(Duration::Millis(1));
  EXPECT_EQ(Told(), Strings{"detach 0"});
  ReleaseEverywhere(0);
  world_.devices = {"vhost:/s"};
  Pass(PortKeeper::kRetry);
  EXPECT_EQ(Told(), Strings{"attach 0 a"});
}

TEST_F(PortKeeperTest, OnlyDifferencesAreApplied) {
  world_.devices = {"veth:a", "veth:b", "veth:c"};
  const agent::Bootstrap before{.ports = {Pod("a", "veth:a"), Pod("b", "veth:b")},
                                .workloads = {Workload("wa", "a", "10.1.0.10")}};
  keeper_.Use(before, now_);
  Told();
  keeper_.Use(before, now_);
  EXPECT_EQ(Told(), Strings{"routes 10.1.0.10/32->0"});
  keeper_.Use({.ports = {Pod("c", "veth:c"), Pod("a", "veth:a")},
               .workloads = {Workload("wa", "a", "10.1.0.10"), Workload("wc", "c", "10.1.0.12")}},
              now_);
  EXPECT_EQ(Told(), (Strings{"detach 1", "routes 10.1.0.10/32->0 10.1.0.12/32->2",
                             "attach 2 c wc 10.1.0.12"}));
  EXPECT_EQ(keeper_.Statuses()[1].name, "");
}

TEST_F(PortKeeperTest, ANumberIsUsedAgainWhenEveryWorkerHasLetGo) {
  world_.devices = {"veth:a", "veth:b", "veth:c"};
  keeper_.Use({.ports = {Pod("a", "veth:a")}}, now_);
  keeper_.Use({.ports = {Pod("b", "veth:b")}}, now_);
  EXPECT_EQ(keeper_.Statuses()[1].name, "b");
  ReleaseEverywhere(0);
  EXPECT_EQ(world_.closed["veth:a"], 1);
  Told();
  keeper_.Use({.ports = {Pod("b", "veth:b"), Pod("c", "veth:c")}}, now_);
  EXPECT_EQ(Told(), (Strings{"routes", "attach 0 c"}));
}

TEST_F(PortKeeperTest, AChangedPortIsTakenBackAndOpenedAsItIsNow) {
  world_.devices = {"veth:a", "veth:b"};
  keeper_.Use({.ports = {Pod("a", "veth:a")}, .workloads = {Workload("wa", "a", "10.1.0.10")}},
              now_);
  Told();
  keeper_.Use({.ports = {Pod("a", "veth:a")}, .workloads = {Workload("wa", "a", "10.1.0.11")}},
              now_);
  EXPECT_EQ(Told(), (Strings{"detach 0", "routes 10.1.0.11/32->0"}));
  keeper_.Watch(now_);
  EXPECT_EQ(Told(), Strings{});  // not before the workers have let go
  ReleaseEverywhere(0);
  keeper_.Watch(now_);
  EXPECT_EQ(Told(), Strings{"attach 0 a wa 10.1.0.11"});
}

TEST_F(PortKeeperTest, APortThatNeverAttachedIsForgotten) {
  keeper_.Use({.ports = {Pod("a", "veth:a")}}, now_);
  keeper_.Use({.ports = {}}, now_);
  Told();
  Pass(PortKeeper::kRetry);
  EXPECT_EQ(tries_["veth:a"], 1);
  EXPECT_EQ(Told(), Strings{});
}

TEST_F(PortKeeperTest, NumbersAreBounded) {
  agent::Bootstrap full, other;
  for (int i = 0; i < limits::kPortCountMax; ++i) {
    full.ports.push_back(Pod(Cat("p", i), Cat("veth:p", i)));
    world_.devices.insert(Cat("veth:p", i));
  }
  other.ports = full.ports;
  other.ports.back().name = "other";
  EXPECT_FALSE(keeper_.WouldOverflow(full));
  keeper_.Use(full, now_);
  EXPECT_FALSE(keeper_.WouldOverflow(full));
  EXPECT_TRUE(keeper_.WouldOverflow(other));  // the last one's number is still in use
  agent::Bootstrap less = full;
  less.ports.pop_back();
  keeper_.Use(less, now_);
  EXPECT_TRUE(keeper_.WouldOverflow(other));
  ReleaseEverywhere(limits::kPortCountMax - 1);
  EXPECT_FALSE(keeper_.WouldOverflow(other));
}

}  // namespace
}  // namespace meltemi
