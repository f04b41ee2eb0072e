// Goal: the ADS state machine follows the xDS protocol. Method: requests and snapshots by hand,
// whole responses compared; no gRPC.
#include "control/pilot/ads_session/session.h"

#include "gtest/gtest.h"

namespace meltemi::control::pilot::ads_session {
namespace {

using Request = AdsSession::Request;
using Response = AdsSession::Response;
using Names = std::vector<std::string>;

// A snapshot whose resources have the given contents, by type and name.
std::shared_ptr<const Snapshot> Make(const std::map<std::string, std::string>& clusters,
                                     const std::map<std::string, std::string>& routes = {},
                                     const std::map<std::string, std::string>& endpoints = {}) {
  translate::Resources resources;
  for (const auto& [name, alt] : clusters) {
    resources.clusters.emplace_back().set_name(name);
    resources.clusters.back().set_alt_stat_name(alt);
  }
  for (const auto& [name, host] : routes) {
    resources.routes.emplace_back().set_name(name);
    resources.routes.back().add_virtual_hosts()->set_name(host);
  }
  for (const auto& [name, zone] : endpoints) {
    resources.endpoints.emplace_back().set_cluster_name(name);
    resources.endpoints.back().add_endpoints()->mutable_locality()->set_zone(zone);
  }
  return MakeSnapshot(resources);
}

Request Ask(Type type, const Names& names = {}) {
  Request request;
  request.set_type_url(TypeUrl(type));
  for (const std::string& name : names) request.add_resource_names(name);
  return request;
}

Request Answer(const Response& response, const Names& names = {}) {
  Request request;
  request.set_type_url(response.type_url());
  request.set_version_info(response.version_info());
  request.set_response_nonce(response.nonce());
  for (const std::string& name : names) request.add_resource_names(name);
  return request;
}

Request Refuse(const Response& response, const std::string& why, const Names& names = {}) {
  Request request = Answer(response, names);
  request.mutable_error_detail()->set_message(why);
  return request;
}

// Of one cluster with endpoints in two zones, near ones first. What the node has of them.
std::string Priorities(const Response& response) {
  std::string out;
  for (const auto& any : response.resources()) {
    envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
    any.UnpackTo(&assignment);
    for (const auto& group : assignment.endpoints()) {
      out += group.locality().zone() + ":" + std::to_string(group.priority()) + " ";
    }
  }
  return out;
}

TEST(AdsSession, EndpointsAreForThePlaceOfTheNode) {
  translate::Resources resources;
  auto& assignment = resources.endpoints.emplace_back();
  assignment.set_cluster_name("a");
  for (const char* zone : {"1", "2"}) {
    assignment.add_endpoints()->mutable_locality()->set_zone(zone);
  }
  const auto plain = MakeSnapshot(resources);
  resources.localities["a"];
  const auto by_place = MakeSnapshot(resources);
  EXPECT_NE(plain->version, by_place->version);
  AdsSession one, two, nowhere;
  Request ask = Ask(Type::kEndpoint, {"a"});
  nowhere.OnRequest(ask);
  ask.mutable_node()->mutable_locality()->set_zone("1");
  one.OnRequest(ask);
  ask.mutable_node()->mutable_locality()->set_zone("2");
  two.OnRequest(ask);
  const auto first = two.Next(*by_place);
  EXPECT_EQ(Priorities(*one.Next(*by_place)), "1:0 2:1 ");
  EXPECT_EQ(Priorities(*first), "1:1 2:0 ");
  EXPECT_EQ(Priorities(*nowhere.Next(*by_place)), "1:0 2:0 ");
  EXPECT_FALSE(two.InSync(Type::kEndpoint, *by_place));
  two.OnRequest(Answer(*first, {"a"}));
  EXPECT_TRUE(two.InSync(Type::kEndpoint, *by_place));
  EXPECT_FALSE(two.Next(*by_place));
  // Another rule for the same endpoints: they are sent again.
  resources.localities["a"].distribute = {{"*", {{"/1", 100}}}};
  const auto distributed = MakeSnapshot(resources);
  const auto second = two.Next(*distributed);
  ASSERT_TRUE(second);
  EXPECT_EQ(Priorities(*second), "1:0 ");
  two.OnRequest(Answer(*second, {"a"}));
  EXPECT_EQ(Priorities(*two.Next(*plain)), "1:0 2:0 ");
}

TEST(AdsSession, SendsNothingUnasked) {
  AdsSession session;
  EXPECT_FALSE(session.Next(*Make({{"a", ""}})));
}

TEST(AdsSession, WildcardGetsEverythingAlsoWhenThatIsNothing) {
  AdsSession session;
  EXPECT_EQ(session.OnRequest(Ask(Type::kCluster)), Event::kSubscribed);
  const auto snapshot = Make({});
  const auto response = session.Next(*snapshot);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->resources_size(), 0);
  EXPECT_EQ(response->version_info(), snapshot->type(Type::kCluster).version);
  EXPECT_FALSE(session.Next(*snapshot));
}

TEST(AdsSession, AckPutsInSync) {
  AdsSession session;
  session.OnRequest(Ask(Type::kCluster));
  const auto snapshot = Make({{"a", ""}, {"b", ""}});
  const auto response = session.Next(*snapshot);
  EXPECT_FALSE(session.InSync(Type::kCluster, *snapshot));
  EXPECT_EQ(session.OnRequest(Answer(*response)), Event::kAcked);
  EXPECT_TRUE(session.InSync(Type::kCluster, *snapshot));
  EXPECT_EQ(session.status(Type::kCluster).acked.size(), 2u);
  EXPECT_FALSE(session.Next(*snapshot));
}

TEST(AdsSession, NackIsKeptAndNotRepeatedUntilTheContentChanges) {
  AdsSession session;
  session.OnRequest(Ask(Type::kCluster));
  const auto good = Make({{"a", "1"}});
  session.OnRequest(Answer(*session.Next(*good)));
  const auto bad = Make({{"a", "2"}});
  const auto refused = session.Next(*bad);
  ASSERT_TRUE(refused);
  EXPECT_EQ(session.OnRequest(Refuse(*refused, "a: no")), Event::kNacked);
  const TypeStatus& status = session.status(Type::kCluster);
  EXPECT_EQ(status.error, "a: no");
  EXPECT_EQ(status.version_acked, good->type(Type::kCluster).version);
  EXPECT_EQ(status.version_nacked, bad->type(Type::kCluster).version);
  EXPECT_EQ(status.acked.at("a")->version, good->type(Type::kCluster).resources.at("a")->version);
  EXPECT_FALSE(session.Next(*bad));
  // Back to what the node has: still to be told, for it may not remember.
  const auto again = session.Next(*good);
  ASSERT_TRUE(again);
  session.OnRequest(Answer(*again));
  EXPECT_EQ(session.status(Type::kCluster).error, "");
  EXPECT_TRUE(session.InSync(Type::kCluster, *good));
}

TEST(AdsSession, StaleNonceIsIgnored) {
  AdsSession session;
  session.OnRequest(Ask(Type::kCluster));
  const auto first = session.Next(*Make({{"a", "1"}}));
  EXPECT_EQ(session.OnRequest(Answer(*first)), Event::kAcked);
  const auto second = session.Next(*Make({{"a", "2"}}));
  ASSERT_TRUE(second);
  EXPECT_EQ(session.OnRequest(Answer(*first)), Event::kStale);
  EXPECT_EQ(session.status(Type::kCluster).version_acked, first->version_info());
  EXPECT_EQ(session.OnRequest(Answer(*second)), Event::kAcked);
}

TEST(AdsSession, OneResponseOfATypeIsUnderWayAtATime) {
  AdsSession session;
  session.OnRequest(Ask(Type::kCluster));
  const auto first = session.Next(*Make({{"a", "1"}}));
  EXPECT_FALSE(session.Next(*Make({{"a", "2"}})));
  session.OnRequest(Answer(*first));
  const auto last = session.Next(*Make({{"a", "3"}}));  // what was in between is never sent
  ASSERT_TRUE(last);
  EXPECT_EQ(last->version_info(), Make({{"a", "3"}})->type(Type::kCluster).version);
}

TEST(AdsSession, FirstRequestWithAnotherPilotsVersionAndNonceGetsTheState) {
  const auto snapshot = Make({{"a", ""}}, {{"80", "h"}});
  AdsSession session;
  Request clusters = Ask(Type::kCluster);
  clusters.set_version_info(snapshot->type(Type::kCluster).version);
  clusters.set_response_nonce("77");
  EXPECT_EQ(session.OnRequest(clusters), Event::kSubscribed);
  const auto response = session.Next(*snapshot);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->resources_size(), 1);
  Request routes = Ask(Type::kRoute, {"80"});
  routes.set_response_nonce("78");
  EXPECT_EQ(session.OnRequest(routes), Event::kSubscribed);
  ASSERT_TRUE(session.Next(*snapshot));
}

TEST(AdsSession, ByNameSendsOnlyWhatIsNewOrChanged) {
  AdsSession session;
  session.OnRequest(Ask(Type::kRoute, {"80"}));
  const auto one = Make({}, {{"80", "a"}, {"81", "b"}});
  const auto first = session.Next(*one);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->resources_size(), 1);
  // The ACK also adds a name: only the added one is sent.
  EXPECT_EQ(session.OnRequest(Answer(*first, {"80", "81"})), Event::kAcked);
  const auto second = session.Next(*one);
  ASSERT_TRUE(second);
  ASSERT_EQ(second->resources_size(), 1);
  session.OnRequest(Answer(*second, {"80", "81"}));
  EXPECT_TRUE(session.InSync(Type::kRoute, *one));
  // One of two changes.
  const auto third = session.Next(*Make({}, {{"80", "a"}, {"81", "changed"}}));
  ASSERT_TRUE(third);
  envoy::config::route::v3::RouteConfiguration route;
  ASSERT_EQ(third->resources_size(), 1);
  ASSERT_TRUE(third->resources(0).UnpackTo(&route));
  EXPECT_EQ(route.name(), "81");
}

TEST(AdsSession, ResubscribedNameIsSentAgain) {
  AdsSession session;
  const auto snapshot = Make({}, {{"80", "a"}, {"81", "b"}});
  session.OnRequest(Ask(Type::kRoute, {"80", "81"}));
  const auto first = session.Next(*snapshot);
  session.OnRequest(Answer(*first, {"80"}));
  EXPECT_FALSE(session.Next(*snapshot));
  EXPECT_TRUE(session.InSync(Type::kRoute, *snapshot));
  session.OnRequest(Answer(*first, {"80", "81"}));
  const auto again = session.Next(*snapshot);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->resources_size(), 1);
}

TEST(AdsSession, NameThatDoesNotExistIsAnsweredWhenItAppears) {
  AdsSession session;
  session.OnRequest(Ask(Type::kEndpoint, {"x"}));
  EXPECT_FALSE(session.Next(*Make({})));
  const auto response = session.Next(*Make({}, {}, {{"x", "z"}}));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->resources_size(), 1);
}

TEST(AdsSession, ClientThatNamesClustersGetsThoseAndEmptyListMeansNoneAfterwards) {
  AdsSession session;
  const auto snapshot = Make({{"a", ""}, {"b", ""}});
  session.OnRequest(Ask(Type::kCluster, {"b"}));
  const auto response = session.Next(*snapshot);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->resources_size(), 1);
  session.OnRequest(Answer(*response, {}));
  EXPECT_TRUE(session.status(Type::kCluster).acked.empty());
  EXPECT_FALSE(session.Next(*snapshot));
}

TEST(AdsSession, RemovedClusterIsPushedAsTheNewWhole) {
  AdsSession session;
  session.OnRequest(Ask(Type::kCluster));
  session.OnRequest(Answer(*session.Next(*Make({{"a", ""}, {"b", ""}}))));
  const auto response = session.Next(*Make({{"a", ""}}));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->resources_size(), 1);
}

TEST(AdsSession, PushesInOrderClustersEndpointsListenersRoutes) {
  AdsSession session;
  for (const Type type : {Type::kRoute, Type::kListener, Type::kEndpoint, Type::kCluster}) {
    session.OnRequest(Ask(type, type == Type::kRoute      ? Names{"80"}
                                : type == Type::kEndpoint ? Names{"a"}
                                                          : Names{}));
  }
  const auto snapshot = Make({{"a", ""}}, {{"80", "h"}}, {{"a", "z"}});
  Names order;
  while (auto response = session.Next(*snapshot)) order.push_back(response->type_url());
  EXPECT_EQ(order, (Names{TypeUrl(Type::kCluster), TypeUrl(Type::kEndpoint),
                          TypeUrl(Type::kListener), TypeUrl(Type::kRoute)}));
}

TEST(AdsSession, RefusedRouteDoesNotCountAsAcceptedWhenAnotherIs) {
  AdsSession session;
  session.OnRequest(Ask(Type::kRoute, {"80", "81"}));
  session.OnRequest(Answer(*session.Next(*Make({}, {{"80", "a"}, {"81", "b"}})), {"80", "81"}));
  const auto bad = session.Next(*Make({}, {{"80", "bad"}, {"81", "b"}}));
  session.OnRequest(Refuse(*bad, "no", {"80", "81"}));
  const auto snapshot = Make({}, {{"80", "bad"}, {"81", "c"}});
  session.OnRequest(Answer(*session.Next(*snapshot), {"80", "81"}));
  EXPECT_FALSE(session.InSync(Type::kRoute, *snapshot));
}

// Goal: what was refused together with a wrong resource reaches the node once that one is right.
TEST(AdsSession, WhatWasRefusedWithAnotherIsSentAgainAfterAnAck) {
  AdsSession session;
  const Names names = {"80", "81"};
  session.OnRequest(Ask(Type::kRoute, names));
  const auto first = session.Next(*Make({}, {{"80", "bad"}, {"81", "new"}}));
  session.OnRequest(Refuse(*first, "80: no", names));
  const auto right = Make({}, {{"80", "right"}, {"81", "new"}});
  const auto second = session.Next(*right);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->resources_size(), 1);  // the changed one: it may be accepted alone
  session.OnRequest(Answer(*second, names));
  EXPECT_FALSE(session.InSync(Type::kRoute, *right));
  const auto third = session.Next(*right);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->resources_size(), 1);
  session.OnRequest(Answer(*third, names));
  EXPECT_TRUE(session.InSync(Type::kRoute, *right));
  EXPECT_FALSE(session.Next(*right));
}

// Goal: a resource that stays wrong is not sent for ever. Method: refused again after another was
// accepted, it rests.
TEST(AdsSession, RefusedAgainRestsUntilTheNextAck) {
  AdsSession session;
  const Names names = {"80", "81"};
  session.OnRequest(Ask(Type::kRoute, names));
  session.OnRequest(
      Refuse(*session.Next(*Make({}, {{"80", "bad"}, {"81", "a"}})), "80: no", names));
  const auto snapshot = Make({}, {{"80", "bad"}, {"81", "b"}});
  session.OnRequest(Answer(*session.Next(*snapshot), names));
  const auto again = session.Next(*snapshot);
  ASSERT_TRUE(again);
  session.OnRequest(Refuse(*again, "80: no", names));
  EXPECT_FALSE(session.Next(*snapshot));
  EXPECT_EQ(session.status(Type::kRoute).error, "80: no");
}

TEST(AdsSession, NamesAreBounded) {
  for (const int count : {kNamesMax - 1, kNamesMax, kNamesMax + 1}) {
    AdsSession session;
    Request request = Ask(Type::kEndpoint);
    for (int i = 0; i < count; ++i) request.add_resource_names(std::to_string(i));
    EXPECT_EQ(session.OnRequest(request),
              count <= kNamesMax ? Event::kSubscribed : Event::kTooManyNames);
  }
}

TEST(AdsSession, UnknownTypeIsNamed) {
  AdsSession session;
  Request request;
  request.set_type_url("type.googleapis.com/envoy.config.unknown");
  EXPECT_EQ(session.OnRequest(request), Event::kUnknownType);
}

TEST(Snapshot, EqualContentHasEqualVersions) {
  EXPECT_EQ(Make({{"a", "1"}})->version, Make({{"a", "1"}})->version);
  EXPECT_NE(Make({{"a", "1"}})->version, Make({{"a", "2"}})->version);
  EXPECT_EQ(Fingerprint("a"), "af63dc4c8601ec8c");  // the published FNV-1a test vector
}

// Goal: what comes in to a workload is its own node's business. Method: two nodes and a client that
// says nothing of workloads, one snapshot.
TEST(AdsSession, InboundListenersGoToTheWorkloadsNode) {
  translate::Resources resources;
  for (const char* address : {"10.1.0.1", "10.2.0.1", "0.0.0.0"}) {
    auto& listener = resources.listeners.emplace_back();
    listener.set_name(address);
    listener.mutable_address()->mutable_socket_address()->set_address(address);
    listener.set_traffic_direction(std::string(address) == "0.0.0.0"
                                       ? envoy::config::core::v3::OUTBOUND
                                       : envoy::config::core::v3::INBOUND);
  }
  const auto snapshot = MakeSnapshot(resources);
  const auto listeners_of = [&](const char* address) {
    AdsSession session;
    Request request = Ask(Type::kListener);
    if (address != nullptr) {
      auto& fields = *request.mutable_node()->mutable_metadata()->mutable_fields();
      (*fields["WORKLOADS"]
            .mutable_list_value()
            ->add_values()
            ->mutable_struct_value()
            ->mutable_fields())["addresses"]
          .mutable_list_value()
          ->add_values()
          ->set_string_value(address);
    }
    session.OnRequest(request);
    const auto response = session.Next(*snapshot);
    Names names;
    for (const auto& any : response->resources()) {
      envoy::config::listener::v3::Listener listener;
      EXPECT_TRUE(any.UnpackTo(&listener));
      names.push_back(listener.name());
    }
    session.OnRequest(Answer(*response));
    EXPECT_TRUE(session.InSync(Type::kListener, *snapshot));
    EXPECT_FALSE(session.Next(*snapshot));
    return names;
  };
  EXPECT_EQ(listeners_of("10.1.0.1"), (Names{"0.0.0.0", "10.1.0.1"}));
  EXPECT_EQ(listeners_of("10.2.0.1"), (Names{"0.0.0.0", "10.2.0.1"}));
  EXPECT_EQ(listeners_of("10.3.0.1"), (Names{"0.0.0.0"}));
  EXPECT_EQ(listeners_of(nullptr), (Names{"0.0.0.0"}));
}

// Of a mesh with these clients "a" and "b", everybody else's chain behind theirs.
std::shared_ptr<const Snapshot> BySource(const Names& a, const Names& b) {
  translate::Resources resources;
  auto& listener = resources.listeners.emplace_back();
  listener.set_name("0.0.0.0_80");
  listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
  for (const auto& [name, addresses] : {std::pair("a", a), std::pair("b", b)}) {
    if (addresses.empty()) continue;
    auto* chain = listener.add_filter_chains();
    chain->set_name(name);
    for (const std::string& address : addresses) {
      chain->mutable_filter_chain_match()->add_source_prefix_ranges()->set_address_prefix(address);
    }
  }
  listener.add_filter_chains();
  return MakeSnapshot(resources);
}

// Goal: chains for clients of the mesh reach a node with the addresses of its own pods alone, and
// pods elsewhere change nothing there. Method: a node with two workloads, one without, and somebody
// else's sidecar, one snapshot after the other.
class SourceSessions : public testing::Test {
 protected:
  static std::string Chains(const Response& response) {
    std::string text;
    for (const auto& any : response.resources()) {
      envoy::config::listener::v3::Listener listener;
      EXPECT_TRUE(any.UnpackTo(&listener));
      for (const auto& chain : listener.filter_chains()) {
        text += chain.name() + ":";
        for (const auto& range : chain.filter_chain_match().source_prefix_ranges()) {
          text += range.address_prefix() + ",";
        }
        text += " ";
      }
    }
    return text;
  }
  static Request Of(const Names& workloads) {
    Request request = Ask(Type::kListener);
    auto& list = *(*request.mutable_node()->mutable_metadata()->mutable_fields())["WORKLOADS"]
                      .mutable_list_value();
    for (const std::string& address : workloads) {
      auto& fields = *list.add_values()->mutable_struct_value()->mutable_fields();
      fields["addresses"].mutable_list_value()->add_values()->set_string_value(address);
    }
    return request;
  }
};

TEST_F(SourceSessions, HaveTheNodesOwnPodsAlone) {
  const auto snapshot = BySource({"10.1.0.1", "10.1.0.2", "10.2.0.1"}, {"10.2.0.2"});
  AdsSession near, nobody, sidecar;
  near.OnRequest(Of({"10.1.0.1", "10.1.0.2"}));
  nobody.OnRequest(Of({}));
  sidecar.OnRequest(Ask(Type::kListener));
  EXPECT_EQ(Chains(*near.Next(*snapshot)), "a:10.1.0.1,10.1.0.2, : ");
  EXPECT_EQ(Chains(*nobody.Next(*snapshot)), ": ");
  EXPECT_EQ(Chains(*sidecar.Next(*snapshot)), "a:10.1.0.1,10.1.0.2,10.2.0.1, b:10.2.0.2, : ");
}

TEST_F(SourceSessions, PodsElsewhereChangeNothing) {
  AdsSession session;
  session.OnRequest(Of({"10.1.0.1"}));
  const auto first = BySource({"10.1.0.1"}, {});
  session.OnRequest(Answer(*session.Next(*first)));
  EXPECT_TRUE(session.InSync(Type::kListener, *first));
  const auto elsewhere = BySource({"10.1.0.1", "10.2.0.1"}, {"10.2.0.2"});
  EXPECT_FALSE(session.Next(*elsewhere));
  EXPECT_TRUE(session.InSync(Type::kListener, *elsewhere));
  const auto here = BySource({"10.2.0.1"}, {"10.2.0.2", "10.1.0.1"});
  EXPECT_FALSE(session.InSync(Type::kListener, *here));
  const auto moved = session.Next(*here);
  ASSERT_TRUE(moved);
  EXPECT_EQ(Chains(*moved), "b:10.1.0.1, : ");
  session.OnRequest(Answer(*moved));
  EXPECT_TRUE(session.InSync(Type::kListener, *here));
}

// A node none of whose pods a rule means has what it would have without the rule, to the byte.
TEST_F(SourceSessions, WhereNoneIsMeantTheRuleIsNotThere) {
  AdsSession session;
  session.OnRequest(Of({"10.3.0.1"}));
  const auto with = BySource({"10.1.0.1"}, {"10.2.0.2"}), without = BySource({}, {});
  session.OnRequest(Answer(*session.Next(*with)));
  EXPECT_FALSE(session.Next(*without));
  EXPECT_TRUE(session.InSync(Type::kListener, *without));
}

}  // namespace
}  // namespace meltemi::control::pilot::ads_session
