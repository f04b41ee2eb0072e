// Goal: the agent as a control plane sees it: what it asks, accepts, refuses, forgets; that it
// comes back when the control plane does, and keeps the last configuration until then. Method: real
// gRPC on the loopback; time and chance are the test's, every wait is for something that happens.
#include "dataplane/agent/agent.h"

#include <map>

#include "absl/time/clock.h"
#include "dataplane/agent/backoff.h"
#include "dataplane/agent/testing_ads_server.h"
#include "dataplane/agent/testing_resources.h"
#include "gtest/gtest.h"

namespace meltemi::agent {
namespace {

using testing::AdsServer;
using testing::Cluster;
using testing::EdsCluster;
using testing::Endpoints;
using testing::HttpListener;
using testing::kPatience;
using testing::Response;
using testing::Routes;
using testing::StaticCluster;
using Names = std::vector<std::string>;

TEST(Backoff, DoublesFromHalfASecondToThirtyWithJitter) {
  Backoff backoff;
  Prng prng(1);
  for (const int64_t step : {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000}) {
    const int64_t wait = backoff.Next(prng).millis();
    EXPECT_GE(wait, step / 4);
    EXPECT_LT(wait, step);
  }
  backoff.Reset();
  EXPECT_LT(backoff.Next(prng), Duration::Millis(500));
}

TEST(Backoff, NodesDoNotComeBackTogether) {
  std::map<int64_t, int> waits;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Backoff backoff;
    Prng prng(seed);
    ++waits[backoff.Next(prng).millis() / 50];
  }
  EXPECT_EQ(waits.size(), 8u);  // 125 to 499 ms, all of it
  for (const auto& [wait, count] : waits) EXPECT_LT(count, 40) << wait;
}

// Shared with the resolver's thread, which nobody waits for: it may outlive the test.
class NameServer {
 public:
  void Set(const std::string& name, const std::string& address) {
    const absl::MutexLock lock(&mutex_);
    addresses_[name] = address;
  }
  DnsAnswer Lookup(const std::string& name) {
    const absl::MutexLock lock(&mutex_);
    DnsAnswer answer{.name = name};
    if (const auto ip = IpAddr::Parse(addresses_[name])) answer.addresses.push_back(*ip);
    return answer;
  }

 private:
  absl::Mutex mutex_;
  std::map<std::string, std::string> addresses_;
};

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    bootstrap_.node.set_id("node-a");
    bootstrap_.ads_target = server_.target();
  }
  ~AgentTest() override {
    if (agent_ != nullptr) agent_->Stop();
  }

  // Starts the agent and takes its first two requests.
  void Begin() {
    agent_ = std::make_unique<Agent>(
        bootstrap_, &slot_, /*seed=*/7, [this](const config::Snapshot& s) { OnSnapshot(s); },
        AgentTime{.now = [this] { return Now(); },
                  .wait = [this](Duration d, const absl::Notification&) { Wait(d); }},
        [names = names_](const std::string& name) { return names->Lookup(name); });
    ASSERT_TRUE(agent_->Start().ok());
    const DiscoveryRequest clusters = Expect(Type::kCluster, "", "");
    EXPECT_EQ(clusters.node().id(), "node-a");
    const DiscoveryRequest listeners = Expect(Type::kListener, "", "");
    EXPECT_FALSE(listeners.has_node());  // once per stream
  }
  // A request with this version, nonce and names comes next.
  DiscoveryRequest Expect(Type type, const std::string& version, const std::string& nonce,
                          const Names& names = {}) {
    DiscoveryRequest request = server_.Take();
    EXPECT_EQ(request.type_url(), TypeUrl(type));
    EXPECT_EQ(request.version_info(), version);
    EXPECT_EQ(request.response_nonce(), nonce);
    EXPECT_EQ(Names(request.resource_names().begin(), request.resource_names().end()), names);
    return request;
  }
  void ExpectAck(Type type, const std::string& version, const Names& names = {}) {
    const DiscoveryRequest request =
        Expect(type, version, Cat(TypeName(type), "-", version), names);
    EXPECT_FALSE(request.has_error_detail()) << request.error_detail().message();
  }
  // Cluster a with its endpoint, a listener and its routes to it, in the order of Envoy.
  void Converge(const std::string& version = "1") {
    server_.Send(Response<Cluster>(Type::kCluster, version, {EdsCluster("a")}));
    ExpectAck(Type::kCluster, version);
    Expect(Type::kEndpoints, "", "", {"a"});
    server_.Send(Response(Type::kEndpoints, version, std::vector{Endpoints("a", "10.0.0.1")}));
    ExpectAck(Type::kEndpoints, version, {"a"});
    server_.Send(Response(Type::kListener, version, std::vector{HttpListener(80)}));
    ExpectAck(Type::kListener, version);
    Expect(Type::kRoutes, "", "", {"80"});
    server_.Send(Response(Type::kRoutes, version, std::vector{Routes("80", "a")}));
    ExpectAck(Type::kRoutes, version, {"80"});
  }

  // "clusters/listeners/tables" of the newest snapshot, when its versions are these.
  std::string SnapshotOf(const std::string& versions) {
    const absl::MutexLock lock(&mutex_);
    const auto published = [&] { return shapes_.contains(versions); };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&published), kPatience)) return "none";
    return shapes_[versions];
  }
  int snapshot_count() {
    const absl::MutexLock lock(&mutex_);
    return snapshot_count_;
  }
  std::vector<Duration> AwaitWaits(size_t count) {
    const absl::MutexLock lock(&mutex_);
    const auto enough = [&] { return waits_.size() >= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience));
    return waits_;
  }
  // The first endpoint of the first cluster, once it is this one.
  void AwaitEndpoint(const std::string& address) {
    const absl::MutexLock lock(&mutex_);
    const auto there = [&] { return endpoint_ == address; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience)) << endpoint_;
  }
  void SetName(const std::string& name, const std::string& address) { names_->Set(name, address); }
  void Advance(Duration d) {
    const absl::MutexLock lock(&mutex_);
    now_ = now_ + d;
  }

  AdsServer server_;
  Bootstrap bootstrap_;
  shared::SnapshotSlot slot_{1};
  std::unique_ptr<Agent> agent_;

 private:
  void OnSnapshot(const config::Snapshot& s) {
    const absl::MutexLock lock(&mutex_);
    ++snapshot_count_;
    const bool some = !s.clusters.empty() && !s.clusters[0].endpoints.empty();
    endpoint_ = some ? s.clusters[0].endpoints[0].address.ToString() : "";
    shapes_[s.version_text] =
        Cat(s.clusters.size(), "/", s.listeners.size(), "/", s.route_tables.size());
  }
  Instant Now() {
    const absl::MutexLock lock(&mutex_);
    return now_;
  }
  // Time that the agent waits passes at once.
  void Wait(Duration duration) {
    const absl::MutexLock lock(&mutex_);
    waits_.push_back(duration);
    now_ = now_ + duration;
  }

  absl::Mutex mutex_;
  Instant now_ = Instant::FromNanos(1);
  std::vector<Duration> waits_;
  const std::shared_ptr<NameServer> names_ = std::make_shared<NameServer>();
  std::map<std::string, std::string> shapes_;  // by version text
  int snapshot_count_ = 0;
  std::string endpoint_;
};

TEST_F(AgentTest, AsksAcceptsAndPublishesOnceAllIsThere) {
  Begin();
  Converge();
  EXPECT_EQ(SnapshotOf("cds=1 eds=1 lds=1 rds=1"), "1/1/1");
  EXPECT_EQ(snapshot_count(), 1);
  const AgentStatus status = agent_->Status();
  EXPECT_TRUE(status.connected);
  EXPECT_TRUE(status.ready);
  EXPECT_EQ(status.connects, 1u);
  EXPECT_TRUE(status.missing.empty());
  EXPECT_EQ(status.listeners, Names{"0.0.0.0_80::0.0.0.0:80"});
  EXPECT_NE(agent_->ConfigDump().find("0.0.0.0_80"), std::string::npos);
}

TEST_F(AgentTest, RefusesWithTheFieldsPathAndKeepsWhatWas) {
  Begin();
  Converge();
  Cluster wrong = EdsCluster("b");
  wrong.mutable_connect_timeout()->set_seconds(-1);
  server_.Send(Response<Cluster>(Type::kCluster, "2", {EdsCluster("a"), wrong}));
  const DiscoveryRequest refusal = Expect(Type::kCluster, "1", "cds-2");
  EXPECT_EQ(refusal.error_detail().message(),
            "Cluster \"b\": connect_timeout: must not be negative");
  EXPECT_EQ(snapshot_count(), 1);
  EXPECT_EQ(agent_->Status().types[0].rejected_count, 1u);
  EXPECT_EQ(agent_->Status().types[0].version, "1");
  // Other types go on, and so does this one when it is repaired.
  server_.Send(Response(Type::kEndpoints, "2", std::vector{Endpoints("a", "10.0.0.2")}));
  ExpectAck(Type::kEndpoints, "2", {"a"});
  EXPECT_EQ(SnapshotOf("cds=1 eds=2 lds=1 rds=1"), "1/1/1");
  server_.Send(Response<Cluster>(Type::kCluster, "3", {EdsCluster("a"), StaticCluster("b")}));
  ExpectAck(Type::kCluster, "3");
  EXPECT_EQ(SnapshotOf("cds=3 eds=2 lds=1 rds=1"), "2/1/1");
  EXPECT_EQ(agent_->Status().types[0].last_error, "");
}

TEST_F(AgentTest, WhenTheControlPlaneDiesTheConfigurationStaysAndTheAgentComesBack) {
  Begin();
  Converge();
  ASSERT_EQ(SnapshotOf("cds=1 eds=1 lds=1 rds=1"), "1/1/1");
  server_.Stop();
  const std::vector<Duration> waits = AwaitWaits(8);
  AgentStatus status = agent_->Status();
  EXPECT_FALSE(status.connected);
  EXPECT_TRUE(status.ready);
  EXPECT_EQ(status.disconnects, 1u);
  EXPECT_EQ(slot_.Current()->version_text, "cds=1 eds=1 lds=1 rds=1");
  Backoff backoff;
  Prng prng(7);  // the seed given to the agent
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(waits[i], backoff.Next(prng)) << i;

  server_.Start();
  // What it has, by version; names as before; no nonce, it belonged to the old stream.
  EXPECT_EQ(Expect(Type::kCluster, "1", "").node().id(), "node-a");
  Expect(Type::kEndpoints, "1", "", {"a"});
  Expect(Type::kListener, "1", "");
  Expect(Type::kRoutes, "1", "", {"80"});
  server_.Send(Response<Cluster>(Type::kCluster, "1", {EdsCluster("a")}));
  ExpectAck(Type::kCluster, "1");
  EXPECT_EQ(snapshot_count(), 1);  // nothing has changed
  EXPECT_EQ(agent_->Status().connects, 2u);
  server_.Send(Response(Type::kRoutes, "2", std::vector{Routes("80", "elsewhere")}));
  ExpectAck(Type::kRoutes, "2", {"80"});
  EXPECT_EQ(SnapshotOf("cds=1 eds=1 lds=1 rds=2"), "1/1/1");
  EXPECT_EQ(snapshot_count(), 2);
}

TEST_F(AgentTest, AfterAnAnswerTheBackoffBeginsAnew) {
  Begin();
  server_.Send(Response<Cluster>(Type::kCluster, "1", {}));
  ExpectAck(Type::kCluster, "1");
  server_.Stop();
  AwaitWaits(8);
  server_.Start();
  Expect(Type::kCluster, "1", "");
  server_.Send(Response<Cluster>(Type::kCluster, "1", {}));
  Expect(Type::kListener, "", "");
  ExpectAck(Type::kCluster, "1");
  const size_t before = AwaitWaits(8).size();  // connected: nothing is waited for
  server_.Stop();
  EXPECT_LT(AwaitWaits(before + 1)[before], Backoff::kFirst);
}

TEST_F(AgentTest, RemovedResourcesLeaveTheSnapshotAndAreAskedForNoMore) {
  Begin();
  Converge();
  server_.Send(Response<testing::Listener>(Type::kListener, "2", {}));
  ExpectAck(Type::kListener, "2");
  Expect(Type::kRoutes, "1", "rds-1", {});
  server_.Send(Response<Cluster>(Type::kCluster, "2", {}));
  ExpectAck(Type::kCluster, "2");
  Expect(Type::kEndpoints, "1", "eds-1", {});
  EXPECT_EQ(SnapshotOf("cds=2 eds=1 lds=2 rds=1"), "0/0/0");
}

TEST_F(AgentTest, ListenersBeforeClustersIsOneConfigurationToo) {
  Begin();
  server_.Send(Response(Type::kListener, "1", std::vector{HttpListener(80)}));
  ExpectAck(Type::kListener, "1");
  Expect(Type::kRoutes, "", "", {"80"});
  server_.Send(Response(Type::kRoutes, "1", std::vector{Routes("80", "a")}));
  ExpectAck(Type::kRoutes, "1", {"80"});
  server_.Send(Response<Cluster>(Type::kCluster, "1", {EdsCluster("a")}));
  ExpectAck(Type::kCluster, "1");
  Expect(Type::kEndpoints, "", "", {"a"});
  EXPECT_EQ(snapshot_count(), 0);  // half of it is nothing
  server_.Send(Response(Type::kEndpoints, "1", std::vector{Endpoints("a", "10.0.0.1")}));
  ExpectAck(Type::kEndpoints, "1", {"a"});
  EXPECT_EQ(SnapshotOf("cds=1 eds=1 lds=1 rds=1"), "1/1/1");
  EXPECT_EQ(snapshot_count(), 1);
}

TEST_F(AgentTest, ResponsesOfTwoTypesOnTheirWayAtOnceAreAnsweredInOrder) {
  Begin();
  server_.Send(Response<Cluster>(Type::kCluster, "1", {EdsCluster("a")}));
  server_.Send(Response(Type::kListener, "1", std::vector{HttpListener(80)}));
  server_.Send(Response<Cluster>(Type::kCluster, "2", {EdsCluster("b")}));
  server_.Send(Response(Type::kListener, "2", std::vector{HttpListener(81)}));
  ExpectAck(Type::kCluster, "1");
  Expect(Type::kEndpoints, "", "", {"a"});
  ExpectAck(Type::kListener, "1");
  Expect(Type::kRoutes, "", "", {"80"});
  ExpectAck(Type::kCluster, "2");
  Expect(Type::kEndpoints, "", "", {"b"});
  ExpectAck(Type::kListener, "2");
  Expect(Type::kRoutes, "", "", {"81"});
  server_.Send(Response(Type::kRoutes, "1", std::vector{Routes("81", "b")}));
  ExpectAck(Type::kRoutes, "1", {"81"});
  server_.Send(Response(Type::kEndpoints, "1", std::vector{Endpoints("b", "10.0.0.1")}));
  ExpectAck(Type::kEndpoints, "1", {"b"});
  EXPECT_EQ(SnapshotOf("cds=2 eds=1 lds=2 rds=1"), "1/1/1");
}

TEST_F(AgentTest, ASilentControlPlaneIsWaitedForNoLongerThanTheFetchTimeout) {
  bootstrap_.clusters.push_back(StaticCluster("fixed"));
  Begin();
  EXPECT_EQ(SnapshotOf("cds= eds= lds= rds="), "1/0/0");  // the static part is there at once
  EXPECT_FALSE(agent_->Status().ready);
  Advance(Duration::Seconds(15));
  server_.Send(Response<Cluster>(Type::kCluster, "1", {}));
  ExpectAck(Type::kCluster, "1");
  EXPECT_EQ(SnapshotOf("cds=1 eds= lds= rds="), "1/0/0");
  EXPECT_TRUE(agent_->Status().ready);
}

TEST_F(AgentTest, HostNamesAreResolvedAndAskedForAgainAlsoWithoutAControlPlane) {
  SetName("backend.example", "10.0.0.1");
  bootstrap_.clusters.push_back(testing::DnsCluster("d", "backend.example"));
  Begin();
  server_.Send(Response<Cluster>(Type::kCluster, "1", {}));
  ExpectAck(Type::kCluster, "1");
  server_.Send(Response<testing::Listener>(Type::kListener, "1", {}));
  ExpectAck(Type::kListener, "1");
  AwaitEndpoint("10.0.0.1:80");
  SetName("backend.example", "10.0.0.2");
  Advance(Duration::Seconds(5));
  AwaitEndpoint("10.0.0.2:80");
  server_.Stop();
  SetName("backend.example", "10.0.0.3");
  AwaitEndpoint("10.0.0.3:80");  // time passes with the attempts to reconnect
}

TEST(ResolverTest, AnswersEveryQuestion) {
  Resolver resolver([](const std::string& name) { return DnsAnswer{.name = name}; });
  resolver.Ask("a");
  resolver.Ask("b");
  Names names;
  const absl::Time end = absl::Now() + kPatience;
  while (names.size() < 2 && absl::Now() < end) {
    for (const DnsAnswer& answer : resolver.Answers()) names.push_back(answer.name);
  }
  EXPECT_EQ(names, (Names{"a", "b"}));
}

TEST(ResolverTest, TheSystemKnowsLocalhostAndAddresses) {
  EXPECT_FALSE(Resolver::BySystem("localhost").addresses.empty());
  const DnsAnswer numeric = Resolver::BySystem("fd00::1");
  ASSERT_EQ(numeric.addresses.size(), 1u);
  EXPECT_EQ(numeric.addresses[0].ToString(), "fd00::1");
}

TEST_F(AgentTest, AStaticConfigurationThatIsWrongIsAnErrorAtTheStart) {
  bootstrap_.clusters.push_back(StaticCluster("fixed"));
  bootstrap_.clusters[0].mutable_connect_timeout()->set_seconds(-1);
  Agent agent(bootstrap_, &slot_, 7, [](const config::Snapshot&) {});
  EXPECT_EQ(agent.Start().message(), "Cluster \"fixed\": connect_timeout: must not be negative");
}

}  // namespace
}  // namespace meltemi::agent
