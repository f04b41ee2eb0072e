// Goal: what meltemi-node would refuse is not served, is named by the operator's object and field,
// and everything else is served as it was. Method: YAML in, the translation without and with.
#include "control/pilot/servable/servable.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/parse.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::servable {
namespace {

constexpr char kReviews[] = R"(
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 9080}]}
---
)";

// There is no ninth group to put in: the node would refuse it, Pilot's parser does not look.
constexpr char kRewrite[] =
    "rewrite: {uriRegexRewrite: {match: '^/x', rewrite: '\\9'}}, "
    "route: [{destination: {host: reviews}}]";

std::string Rule(const std::string& http) {
  return absl::StrCat(
      "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: reviews}, spec: "
      "{hosts: [reviews], http: [",
      http, "]}}\n---\n");
}

std::string Destination(const std::string& spec) {
  return absl::StrCat(
      "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: reviews}, "
      "spec: {host: reviews, ",
      spec, "}}\n---\n");
}

class ServableTest : public testing::Test {
 protected:
  void Make(const std::string& yaml) {
    model::Objects objects;
    model::Problems problems;
    model::ParseText("mesh.yaml", yaml, &objects, &problems);
    model_ = model::BuildModel(objects, "cluster.local", &problems);
    for (const model::Problem& problem : problems) ADD_FAILURE() << ToString(problem);
    ASSERT_TRUE(model_.has_value());
    plain_ = translate::Translate(*model_, {});
    servable_ = MakeServable(*model_, {});
  }
  std::string Unsupported() const {
    std::string text;
    for (const model::Problem& problem : servable_.unsupported) {
      absl::StrAppend(&text, ToString(problem), "\n");
    }
    return text;
  }
  const envoy::config::cluster::v3::Cluster* Cluster(const std::string& part) const {
    for (const auto& cluster : servable_.resources.clusters) {
      if (absl::StrContains(cluster.name(), part)) return &cluster;
    }
    return nullptr;
  }
  const envoy::config::route::v3::VirtualHost* Host(const std::string& part) const {
    for (const auto& table : servable_.resources.routes) {
      for (const auto& host : table.virtual_hosts()) {
        if (absl::StrContains(host.name(), part)) return &host;
      }
    }
    return nullptr;
  }

  std::optional<model::Model> model_;
  translate::Resources plain_;
  Servable servable_;
};

TEST_F(ServableTest, WhatTheNodeCanDoPassesUnchanged) {
  Make(absl::StrCat(kReviews, Rule("{timeout: 3s, route: [{destination: {host: reviews}}]}"),
                    Destination("trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}")));
  EXPECT_EQ(Unsupported(), "");
  EXPECT_EQ(servable_.resources.clusters.size(), plain_.clusters.size());
  for (size_t i = 0; i < plain_.clusters.size(); ++i) {
    EXPECT_EQ(servable_.resources.clusters[i].SerializeAsString(),
              plain_.clusters[i].SerializeAsString());
  }
}

TEST_F(ServableTest, AClusterThatNoNodeTakesIsHeldBackAndTheOthersAreNot) {
  Make(absl::StrCat(
      kReviews, Destination("trafficPolicy: {outlierDetection: {baseEjectionTime: 10000h}}"), R"(
apiVersion: v1
kind: Service
metadata: {name: ratings, namespace: prod}
spec:
  clusterIP: 10.96.0.2
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: http, port: 9080}
  - {name: grpc, port: 9090}
)"));
  EXPECT_TRUE(absl::StartsWith(Unsupported(),
                               "mesh.yaml: DestinationRule default/reviews: "
                               "spec.trafficPolicy.outlierDetection"))
      << Unsupported();
  EXPECT_EQ(servable_.unsupported.size(), 1u);
  EXPECT_EQ(Cluster("outbound|9080||reviews"), nullptr);
  for (const auto& assignment : servable_.resources.endpoints) {
    EXPECT_FALSE(absl::StrContains(assignment.cluster_name(), "reviews"));
  }
  EXPECT_NE(Cluster("outbound|9080||ratings"), nullptr);
  EXPECT_NE(Cluster("outbound|9090||ratings"), nullptr);
  // The requests find no cluster there: 503 NC, not another way.
  ASSERT_NE(Host("reviews"), nullptr);
  EXPECT_TRUE(
      absl::StartsWith(Host("reviews")->routes(0).route().cluster(), "outbound|9080||reviews"));
}

TEST_F(ServableTest, ASettingThatChangesNoRequestIsLeftOut) {
  Make(absl::StrCat(kReviews, Destination("trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: "
                                          "{probes: 99}, maxConnections: 5}}}")));
  EXPECT_TRUE(absl::StartsWith(
      Unsupported(),
      "mesh.yaml: DestinationRule default/reviews: "
      "spec.trafficPolicy.connectionPool.tcp.tcpKeepalive: not supported by meltemi-node yet: "
      "upstream_connection_options.tcp_keepalive.keepalive_probes: must be from 1 to 15, not 99 "))
      << Unsupported();
  ASSERT_NE(Cluster("reviews"), nullptr);
  EXPECT_EQ(Cluster("reviews")->circuit_breakers().thresholds(0).max_connections().value(), 5u);
}

TEST_F(ServableTest, ASubsetsPolicyIsNamedWhereItStands) {
  Make(absl::StrCat(kReviews, Destination("subsets: [{name: v1, labels: {version: v1}}, {name: v2, "
                                          "labels: {version: v2}, trafficPolicy: {connectionPool: "
                                          "{tcp: {tcpKeepalive: {probes: 99}}}}}]")));
  EXPECT_TRUE(absl::StrContains(
      Unsupported(), ": spec.subsets[1].trafficPolicy.connectionPool.tcp.tcpKeepalive: "))
      << Unsupported();
  EXPECT_EQ(servable_.unsupported.size(), 1u);
}

TEST_F(ServableTest, ARouteThatCannotBeCarriedOutAnswersInItsPlace) {
  Make(absl::StrCat(
      kReviews, Rule(absl::StrCat("{match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}], ", kRewrite,
                                  "}, {route: [{destination: {host: reviews}}]}"))));
  EXPECT_TRUE(absl::StartsWith(
      Unsupported(),
      "mesh.yaml: VirtualService default/reviews: spec.http[0].rewrite.uriRegexRewrite: "
      "not supported by meltemi-node yet: route.regex_rewrite.substitution: "))
      << Unsupported();
  const auto* host = Host("reviews");
  ASSERT_NE(host, nullptr);
  ASSERT_EQ(host->routes_size(), 3);
  EXPECT_EQ(host->routes(0).match().prefix(), "/a");
  EXPECT_EQ(host->routes(0).direct_response().status(), 503u);
  EXPECT_EQ(host->routes(0).direct_response().body().inline_string(),
            "VirtualService default/reviews spec.http[0].rewrite.uriRegexRewrite is not supported "
            "yet\n");
  EXPECT_EQ(host->routes(1).direct_response().status(), 503u);
  EXPECT_TRUE(host->routes(2).has_route());
}

TEST_F(ServableTest, EverythingAtFaultIsNamed) {
  Make(absl::StrCat(
      kReviews, Rule(absl::StrCat("{", kRewrite, "}")),
      Destination("trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {probes: 99}}}, "
                  "outlierDetection: {baseEjectionTime: 10000h}}")));
  EXPECT_EQ(servable_.unsupported.size(), 3u) << Unsupported();
}

// The point of it all: the node takes what is left.
TEST_F(ServableTest, NothingIsHeldBackTwice) {
  Make(absl::StrCat(kReviews, Rule(absl::StrCat("{", kRewrite, "}")),
                    Destination("trafficPolicy: {outlierDetection: {baseEjectionTime: 10000h}}")));
  EXPECT_FALSE(servable_.unsupported.empty());
  EXPECT_TRUE(HoldBack(*model_, &servable_.resources).empty());
}

// Goal: what is wrong at a gateway is named by the Gateway, or by the rule that is bound to it.
TEST_F(ServableTest, GatewaysAreNamed) {
  const std::string gateway =
      "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: w, labels: {a: "
      "b}}, spec: {address: 192.0.2.1}}\n---\n"
      "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g}, spec: {selector: "
      "{a: b}, servers: [{port: {number: 80, name: x, protocol: HTTP}, hosts: [a.example.com]}, "
      "{port: {number: 443, name: y, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, "
      "serverCertificate: /c, privateKey: /k, cipherSuites: [RC4-MD5]}}]}}\n---\n";
  Make(absl::StrCat(kReviews, gateway,
                    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: "
                    "v}, spec: {hosts: [a.example.com], gateways: [g], http: [{",
                    kRewrite, "}]}}\n"));
  EXPECT_TRUE(absl::StrContains(Unsupported(), "mesh.yaml: Gateway default/g: spec.servers[1]: "))
      << Unsupported();
  EXPECT_TRUE(absl::StrContains(
      Unsupported(), "mesh.yaml: VirtualService default/v: spec.http[0].rewrite.uriRegexRewrite: "))
      << Unsupported();
}

// Goal: what guards a workload's port is never taken away: when the node would refuse it, the port
// is shut. Method: a listener of a STRICT pod gets a filter that no node knows.
TEST_F(ServableTest, AWorkloadsListenerIsShutNotTakenAway) {
  Make(absl::StrCat(kReviews,
                    "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: reviews}}, "
                    "status: {podIP: 10.1.0.1}}\n---\n"
                    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: "
                    "d}, spec: {mtls: {mode: STRICT}}}\n"));
  translate::Resources resources = plain_;
  const auto find = [&]() -> envoy::config::listener::v3::Listener* {
    for (auto& listener : resources.listeners) {
      if (listener.name() == "inbound_10.1.0.1_0") return &listener;
    }
    return nullptr;
  };
  ASSERT_NE(find(), nullptr);
  find()->mutable_filter_chains(0)->mutable_filters(0)->set_name("unheard-of");
  find()->mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config()->set_type_url(
      "type.googleapis.com/unheard.Of");
  EXPECT_EQ(HoldBack(*model_, &resources).size(), 1u);
  ASSERT_NE(find(), nullptr);
  ASSERT_EQ(find()->filter_chains_size(), 1);
  EXPECT_FALSE(find()->filter_chains(0).has_transport_socket());
  EXPECT_TRUE(absl::StrContains(find()->filter_chains(0).filters(0).typed_config().value(),
                                translate::kBlackHoleCluster));
  EXPECT_TRUE(HoldBack(*model_, &resources).empty());
}

}  // namespace
}  // namespace meltemi::control::pilot::servable
