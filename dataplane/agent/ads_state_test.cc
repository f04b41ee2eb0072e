// Goal: the xDS client protocol and when a configuration comes into force. Method: responses by
// hand, a virtual clock, requests and described snapshots compared.
#include "dataplane/agent/ads_state.h"

#include <map>

#include "dataplane/agent/config_dump.h"
#include "dataplane/agent/testing_resources.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"
#include "l7/config/describe.h"

namespace meltemi::agent {
namespace {

using namespace testing;  // NOLINT: the builders of this folder
using Names = std::vector<std::string>;

class AdsStateTest : public ::testing::Test {
 protected:
  explicit AdsStateTest(std::vector<Listener> listeners = {}, std::vector<Cluster> clusters = {})
      : state_(MakeOptions(), std::move(listeners), std::move(clusters)) {}

  static AdsState::Options MakeOptions() {
    AdsState::Options options;
    options.node.set_id("node-a");
    return options;
  }
  // "cds v=1 n=cds-1 names=a,b error=..." of each request.
  static Names Lines(const std::vector<DiscoveryRequest>& requests) {
    Names lines;
    for (const DiscoveryRequest& r : requests) {
      std::string line;
      for (int i = 0; i < kTypes; ++i) {
        if (r.type_url() == TypeUrl(static_cast<Type>(i))) line = TypeName(static_cast<Type>(i));
      }
      AppendTo(&line, r.has_node() ? " node" : "", " v=", r.version_info(),
               " n=", r.response_nonce());
      for (const std::string& name : r.resource_names()) AppendTo(&line, " ", name);
      if (r.has_error_detail()) AppendTo(&line, " error=", r.error_detail().message());
      lines.push_back(line);
    }
    return lines;
  }
  template <typename Message>
  Names Send(Type type, const std::string& version, const std::vector<Message>& messages) {
    return Lines(state_.OnResponse(Response(type, version, messages), now_));
  }
  // The described snapshot, "" if there is none to publish.
  std::string Published() {
    auto snapshot = state_.TakeSnapshot(now_);
    if (!snapshot.ok()) return Cat("error ", snapshot.status().message());
    if (*snapshot == nullptr) return "";
    return config::Describe(**snapshot);
  }
  bool PublishedSomething() { return !Published().empty(); }
  // One listener, one route, one cluster with an endpoint.
  void SendWhole(const std::string& version) {
    Send<Cluster>(Type::kCluster, version, {EdsCluster("a")});
    Send<ClusterLoadAssignment>(Type::kEndpoints, version, {Endpoints("a", "10.0.0.1")});
    Send<Listener>(Type::kListener, version, {HttpListener(80)});
    Send<RouteConfiguration>(Type::kRoutes, version, {Routes("80", "a")});
  }
  void Pass(Duration d) { now_ = now_ + d; }

  Instant now_ = Instant::FromNanos(1'000'000'000);
  AdsState state_;
};

TEST_F(AdsStateTest, AsksForClustersAndListenersAndSendsTheNodeOnce) {
  EXPECT_EQ(Lines(state_.OnStreamOpen()), (Names{"cds node v= n=", "lds v= n="}));
}

TEST_F(AdsStateTest, AcknowledgesAndSubscribesToWhatFollows) {
  state_.OnStreamOpen();
  EXPECT_EQ(Send<Cluster>(Type::kCluster, "1", {EdsCluster("b"), EdsCluster("a")}),
            (Names{"cds v=1 n=cds-1", "eds v= n= a b"}));
  EXPECT_EQ(Send<ClusterLoadAssignment>(Type::kEndpoints, "2",
                                        {Endpoints("a", "10.0.0.1"), Endpoints("b", "10.0.0.2")}),
            (Names{"eds v=2 n=eds-2 a b"}));
  EXPECT_EQ(Send<Listener>(Type::kListener, "3", {HttpListener(80)}),
            (Names{"lds v=3 n=lds-3", "rds v= n= 80"}));
  EXPECT_EQ(Send<RouteConfiguration>(Type::kRoutes, "4", {Routes("80", "a")}),
            (Names{"rds v=4 n=rds-4 80"}));
  // A cluster less: unsubscribed, with the nonce of the last endpoints.
  EXPECT_EQ(Send<Cluster>(Type::kCluster, "5", {EdsCluster("a")}),
            (Names{"cds v=5 n=cds-5", "eds v=2 n=eds-2 a"}));
}

TEST_F(AdsStateTest, RefusesWithThePathAndTheOldVersionAndKeepsWhatWasThere) {
  state_.OnStreamOpen();
  SendWhole("1");
  const std::string before = Published();
  Cluster bad = EdsCluster("a");
  bad.set_lb_policy(Cluster::LOAD_BALANCING_POLICY_CONFIG);
  EXPECT_EQ(
      Send<Cluster>(Type::kCluster, "2", {EdsCluster("new"), bad}),
      (Names{"cds v=1 n=cds-2 error=Cluster \"a\": lb_policy: LOAD_BALANCING_POLICY_CONFIG is "
             "not supported"}));
  EXPECT_EQ(Published(), "");
  EXPECT_EQ(state_.status(Type::kCluster).rejected_count, 1u);
  EXPECT_EQ(state_.status(Type::kCluster).version, "1");
  EXPECT_EQ(state_.status(Type::kCluster).last_error,
            "Cluster \"a\": lb_policy: LOAD_BALANCING_POLICY_CONFIG is not supported");
  // The next good one applies as if nothing had been.
  Send<ClusterLoadAssignment>(Type::kEndpoints, "3", {Endpoints("a", "10.0.0.2")});
  std::string want = before;
  want.replace(want.find("10.0.0.1"), 8, "10.0.0.2");
  EXPECT_EQ(Published(), want);
  Send<Cluster>(Type::kCluster, "4", {EdsCluster("a")});
  EXPECT_EQ(state_.status(Type::kCluster).last_error, "");
}

TEST_F(AdsStateTest, RefusesWrongTypesDuplicatesAndResourcesWithoutName) {
  state_.OnStreamOpen();
  DiscoveryResponse wrong = Response<Listener>(Type::kListener, "1", {HttpListener(80)});
  wrong.set_type_url(TypeUrl(Type::kCluster));
  EXPECT_EQ(Lines(state_.OnResponse(wrong, now_)),
            (Names{"cds v= n=lds-1 error=resources[0]: "
                   "\"type.googleapis.com/envoy.config.listener.v3.Listener\" is not a valid "
                   "envoy.config.cluster.v3.Cluster"}));
  EXPECT_EQ(Send<Cluster>(Type::kCluster, "2", {EdsCluster("a"), EdsCluster("a")}),
            (Names{"cds v= n=cds-2 error=resources[1]: \"a\" is given twice"}));
  EXPECT_EQ(Send<Cluster>(Type::kCluster, "3", {EdsCluster("")}),
            (Names{"cds v= n=cds-3 error=resources[0]: has no name"}));
}

TEST_F(AdsStateTest, IgnoresUnknownTypes) {
  DiscoveryResponse other;
  other.set_type_url("type.googleapis.com/istio.workload.Address");
  EXPECT_EQ(Lines(state_.OnResponse(other, now_)), Names{});
  EXPECT_EQ(state_.unknown_type_count(), 1u);
}

TEST_F(AdsStateTest, AppliesOnlyWholeConfigurations) {
  EXPECT_EQ(Published(), "");
  state_.OnStreamOpen();
  Send<Cluster>(Type::kCluster, "1", {EdsCluster("a")});
  EXPECT_EQ(Published(), "");
  Send<ClusterLoadAssignment>(Type::kEndpoints, "1", {Endpoints("a", "10.0.0.1")});
  EXPECT_EQ(Published(), "");
  Send<Listener>(Type::kListener, "1", {HttpListener(80)});
  EXPECT_EQ(Published(), "");
  EXPECT_EQ(state_.Missing(), Names{"rds 80"});
  EXPECT_FALSE(state_.ready());
  Send<RouteConfiguration>(Type::kRoutes, "1", {Routes("80", "a")});
  EXPECT_TRUE(state_.ready());
  EXPECT_EQ(Published(),
            "cluster \"a\" eds round_robin\n  endpoint 10.0.0.1:80\n"
            "routes \"80\"\n  any host 0\n  host \"any\"\n    domain *\n    route \"\"\n"
            "      path prefix \"/\"\n      forward\n        to \"a\" weight 1\n"
            "listener \"0.0.0.0_80\" unspecified\n  address 0.0.0.0:80\n"
            "  http \"\" routes \"80\" (table 0)\n");
  EXPECT_EQ(Published(), "");
}

TEST_F(AdsStateTest, AnEmptyMeshIsWholeToo) {
  state_.OnStreamOpen();
  Send<Cluster>(Type::kCluster, "1", {});
  Send<Listener>(Type::kListener, "1", {});
  EXPECT_TRUE(state_.ready());
}

// A new cluster is warmed before any route of the same push can name it.
TEST_F(AdsStateTest, WaitsForTheEndpointsOfANewCluster) {
  state_.OnStreamOpen();
  SendWhole("1");
  EXPECT_TRUE(PublishedSomething());
  Send<Cluster>(Type::kCluster, "2", {EdsCluster("a"), EdsCluster("b")});
  Send<RouteConfiguration>(Type::kRoutes, "2", {Routes("80", "b")});
  EXPECT_EQ(Published(), "");
  Send<ClusterLoadAssignment>(Type::kEndpoints, "2", {Endpoints("b", "10.0.0.2")});
  EXPECT_NE(Published().find("to \"b\" weight 1\n"), std::string::npos);
}

TEST_F(AdsStateTest, WaitsForAMissingNameUntilTheFetchTimeoutAndOnlyOnce) {
  state_.OnStreamOpen();
  SendWhole("1");
  EXPECT_TRUE(PublishedSomething());
  Send<Cluster>(Type::kCluster, "2", {EdsCluster("a"), EdsCluster("never")});
  EXPECT_EQ(Published(), "");
  EXPECT_EQ((state_.next_deadline() - now_).millis(), 15'000);
  Pass(Duration::Seconds(15) - Duration::Nanos(1));
  EXPECT_EQ(Published(), "");
  Pass(Duration::Nanos(1));
  EXPECT_TRUE(PublishedSomething());
  EXPECT_EQ(state_.status(Type::kEndpoints).fetch_timeout_count, 1u);
  EXPECT_TRUE(state_.next_deadline().never());
  EXPECT_EQ(state_.Missing(), Names{"eds never"});
  // What follows is not held up again.
  Send<ClusterLoadAssignment>(Type::kEndpoints, "3", {Endpoints("a", "10.0.0.3")});
  EXPECT_NE(Published().find("10.0.0.3"), std::string::npos);
}

TEST_F(AdsStateTest, IsReadyWithoutAControlPlaneAfterTheFetchTimeout) {
  EXPECT_EQ(Published(), "");
  EXPECT_FALSE(state_.ready());
  Pass(Duration::Seconds(15));
  Published();
  EXPECT_TRUE(state_.ready());
  EXPECT_TRUE(state_.next_deadline().never());
}

TEST_F(AdsStateTest, ADroppedClusterStaysUntilItsRoutesHaveMoved) {
  state_.OnStreamOpen();
  SendWhole("1");
  EXPECT_TRUE(PublishedSomething());
  EXPECT_EQ(Send<Cluster>(Type::kCluster, "2", {StaticCluster("b")}), Names{"cds v=2 n=cds-2"});
  const std::string between = Published();
  EXPECT_NE(between.find("to \"a\" weight 1\n"), std::string::npos) << between;
  EXPECT_NE(between.find("10.0.0.1"), std::string::npos);
  EXPECT_EQ(Send<RouteConfiguration>(Type::kRoutes, "2", {Routes("80", "b")}),
            (Names{"rds v=2 n=rds-2 80", "eds v=1 n=eds-1"}));
  EXPECT_EQ(Published().find("cluster \"a\""), std::string::npos);
}

// Somebody still routes to a service that is gone: that must show (503 NC), not go on with old
// endpoints.
TEST_F(AdsStateTest, ADroppedClusterStaysForTheLingerTimeAtMost) {
  state_.OnStreamOpen();
  SendWhole("1");
  EXPECT_TRUE(PublishedSomething());
  Send<Cluster>(Type::kCluster, "2", {});
  EXPECT_TRUE(PublishedSomething());
  EXPECT_EQ((state_.next_deadline() - now_).millis(), 5'000);
  Pass(Duration::Seconds(5) - Duration::Nanos(1));
  EXPECT_EQ(Published(), "");
  Pass(Duration::Nanos(1));
  EXPECT_NE(Published().find("to \"a\" weight 1 (unknown)"), std::string::npos);
}

TEST_F(AdsStateTest, ANewStreamAsksAgainForTheSameAndTheSameAnswerChangesNothing) {
  state_.OnStreamOpen();
  SendWhole("1");
  EXPECT_TRUE(PublishedSomething());
  EXPECT_TRUE(state_.connected());
  state_.OnStreamClosed();
  EXPECT_FALSE(state_.connected());
  EXPECT_EQ(Published(), "");
  EXPECT_EQ(Lines(state_.OnStreamOpen()),
            (Names{"cds node v=1 n=", "eds v=1 n= a", "lds v=1 n=", "rds v=1 n= 80"}));
  SendWhole("restarted");
  EXPECT_EQ(Published(), "");
  EXPECT_EQ(state_.status(Type::kRoutes).version, "restarted");
}

class AdsStateWithStaticResources : public AdsStateTest {
 protected:
  AdsStateWithStaticResources() : AdsStateTest({HttpListener(81)}, {StaticCluster("s")}) {}
};

TEST_F(AdsStateWithStaticResources, StaticResourcesAreInForceBeforeTheControlPlaneAnswers) {
  const std::string first = Published();
  EXPECT_NE(first.find("0.0.0.0:81"), std::string::npos) << first;
  EXPECT_FALSE(state_.ready());
  EXPECT_EQ(Lines(state_.OnStreamOpen()), (Names{"cds node v= n=", "lds v= n=", "rds v= n= 81"}));
}

TEST_F(AdsStateWithStaticResources, WhatContradictsThemIsRefused) {
  Published();
  state_.OnStreamOpen();
  EXPECT_EQ(Send<Cluster>(Type::kCluster, "1", {StaticCluster("s")}),
            Names{"cds v= n=cds-1 error=Cluster \"s\": name: is given twice"});
  Listener same_address = HttpListener(81);
  same_address.set_name("other");
  EXPECT_EQ(Send<Listener>(Type::kListener, "1", {same_address}),
            Names{"lds v= n=lds-1 error=Listener \"other\": address: 0.0.0.0:81 is the address of "
                  "Listener \"0.0.0.0_81\""});
}

// Valid JSON whatever the names are, in Envoy's shape, with the date of the last change.
TEST_F(AdsStateTest, DumpsInEnvoysShape) {
  state_.OnStreamOpen();
  SendWhole("1");
  Pass(Duration::Millis(1500));
  Send<Cluster>(Type::kCluster, "2", {EdsCluster("a"), StaticCluster("q\"\\\n")});
  google::protobuf::Struct dump;
  const std::string json = ConfigDumpJson(state_, "{\"node\":{\"id\":\"n\"}}", WallClock{});
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json, &dump).ok()) << json;
  std::map<std::string, google::protobuf::Struct> by_type;
  for (const auto& value : dump.fields().at("configs").list_value().values()) {
    const std::string type = value.struct_value().fields().at("@type").string_value();
    by_type[type.substr(type.rfind('.') + 1)] = value.struct_value();
  }
  EXPECT_EQ(by_type.size(), 6u);
  const auto& clusters =
      by_type["ClustersConfigDump"].fields().at("dynamic_active_clusters").list_value();
  ASSERT_EQ(clusters.values_size(), 2);
  const auto& a = clusters.values(0).struct_value().fields();
  EXPECT_EQ(a.at("last_updated").string_value(), "1970-01-01T00:00:01.000Z");
  EXPECT_EQ(a.at("version_info").string_value(), "2");
  const auto& q = clusters.values(1).struct_value().fields();
  EXPECT_EQ(q.at("last_updated").string_value(), "1970-01-01T00:00:02.500Z");
  EXPECT_EQ(q.at("cluster").struct_value().fields().at("name").string_value(), "q\"\\\n");
  EXPECT_EQ(q.at("cluster").struct_value().fields().at("@type").string_value(),
            TypeUrl(Type::kCluster));
  const auto& listener = by_type["ListenersConfigDump"]
                             .fields()
                             .at("dynamic_listeners")
                             .list_value()
                             .values(0)
                             .struct_value();
  EXPECT_EQ(listener.fields().at("name").string_value(), "0.0.0.0_80");
  EXPECT_EQ(listener.fields().at("active_state").struct_value().fields().count("listener"), 1u);
}

TEST_F(AdsStateTest, ANameIsWaitedForThenItsAddressesAreTheEndpoints) {
  state_.OnStreamOpen();
  Send<Cluster>(Type::kCluster, "1", {testing::DnsCluster("d", "backend.example")});
  Send<Listener>(Type::kListener, "1", {});
  EXPECT_EQ(Published(), "");
  EXPECT_EQ(state_.Missing(), Names{"cds name backend.example"});
  EXPECT_EQ(state_.NamesToAsk(now_), Names{"backend.example"});
  EXPECT_EQ(state_.NamesToAsk(now_), Names{});
  state_.OnDnsAnswer({.name = "backend.example", .addresses = {*IpAddr::Parse("10.0.0.1")}}, now_);
  EXPECT_NE(Published().find("endpoint 10.0.0.1:80"), std::string::npos);
  // A refresh that brings something else is a new snapshot; a failure, or the same, is none.
  Pass(Duration::Seconds(5));
  EXPECT_EQ(state_.NamesToAsk(now_), Names{"backend.example"});
  state_.OnDnsAnswer({.name = "backend.example", .error = "timed out"}, now_);
  EXPECT_EQ(Published(), "");
  state_.OnDnsAnswer({.name = "backend.example", .addresses = {*IpAddr::Parse("10.0.0.2")}}, now_);
  EXPECT_NE(Published().find("endpoint 10.0.0.2:80"), std::string::npos);
}

TEST_F(AdsStateTest, ANameThatNobodyCanResolveHoldsNothingUp) {
  state_.OnStreamOpen();
  Send<Cluster>(Type::kCluster, "1", {testing::DnsCluster("d", "backend.example")});
  Send<Listener>(Type::kListener, "1", {});
  EXPECT_EQ(state_.NamesToAsk(now_), Names{"backend.example"});
  state_.OnDnsAnswer({.name = "backend.example", .error = "no name server"}, now_);
  EXPECT_NE(Published().find("cluster \"d\" strict_dns"), std::string::npos);
  // Nor does one without any answer, after a while.
  Send<Cluster>(Type::kCluster, "2", {testing::DnsCluster("d", "silent.example")});
  EXPECT_EQ(Published(), "");
  Pass(Duration::Seconds(15));
  EXPECT_TRUE(PublishedSomething());
}

}  // namespace
}  // namespace meltemi::agent
