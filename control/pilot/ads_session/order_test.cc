// Goal: make before break. A node that follows what the session sends, in order, never has a
// listener or route that names a cluster it has not, or one without its endpoints; and in the end
// it has what the snapshot says. Method: a node as simple as the protocol allows, first by hand
// through the cases, then through random changes, refusals and delays from fixed seeds, looked at
// after every message.
#include <deque>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/pilot/ads_session/session.h"
#include "control/pilot/translate/proto_util.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "gtest/gtest.h"
#include "l7/base/prng.h"
#include "l7/config/references.h"

namespace meltemi::control::pilot::ads_session {
namespace {

using Request = AdsSession::Request;
using Response = AdsSession::Response;
using Names = std::set<std::string>;

// What a mesh consists of here: EDS clusters with endpoints, route tables and TCP listeners that
// send to one cluster each, an HTTP listener per table. `revision` makes contents differ.
struct Mesh {
  Names clusters;
  std::map<std::string, std::string> tables;   // name -> cluster
  std::map<std::string, std::string> proxies;  // name -> cluster
  int revision = 0;
};

std::shared_ptr<const Snapshot> Make(const Mesh& mesh) {
  translate::Resources out;
  const std::string revision = absl::StrCat(mesh.revision);
  for (const std::string& name : mesh.clusters) {
    auto& cluster = out.clusters.emplace_back();
    cluster.set_name(name);
    cluster.set_alt_stat_name(revision);
    cluster.set_type(envoy::config::cluster::v3::Cluster::EDS);
    translate::SetAds(cluster.mutable_eds_cluster_config()->mutable_eds_config());
    auto& assignment = out.endpoints.emplace_back();
    assignment.set_cluster_name(name);
    assignment.add_endpoints()->mutable_locality()->set_zone(revision);
  }
  for (const auto& [name, cluster] : mesh.tables) {
    auto& table = out.routes.emplace_back();
    table.set_name(name);
    auto* host = table.add_virtual_hosts();
    host->set_name(revision);
    host->add_routes()->mutable_route()->set_cluster(cluster);
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
    manager.set_stat_prefix(revision);
    manager.mutable_rds()->set_route_config_name(name);
    auto& listener = out.listeners.emplace_back();
    listener.set_name(absl::StrCat("http_", name));
    *listener.add_filter_chains()->add_filters()->mutable_typed_config() = translate::Pack(manager);
  }
  for (const auto& [name, cluster] : mesh.proxies) {
    envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
    proxy.set_stat_prefix(revision);
    proxy.set_cluster(cluster);
    auto& listener = out.listeners.emplace_back();
    listener.set_name(absl::StrCat("tcp_", name));
    *listener.add_filter_chains()->add_filters()->mutable_typed_config() = translate::Pack(proxy);
  }
  return MakeSnapshot(out);
}

class Node {
 public:
  Node() {
    Send(Type::kCluster, {}, "");
    Send(Type::kListener, {}, "");
  }

  // Takes a response whole, or refuses it; its answers wait in `requests`.
  void On(const Response& response, bool accept) {
    const Type type = *TypeFromUrl(response.type_url());
    nonces_[type] = response.nonce();
    if (accept) Take(type, response);
    const Names names = NamesOf(type);
    Send(type, names, accept ? "" : "refused");
    for (const Type named : {Type::kEndpoint, Type::kRoute}) {
      if (named != type && NamesOf(named) != asked_[named]) Send(named, NamesOf(named), "");
    }
    for (const auto& [name, table] : std::map(routes_)) {
      if (!NamesOf(Type::kRoute).contains(name)) routes_.erase(name);
    }
  }

  // Clusters that are named but not there, or have no endpoints.
  Names Missing() const {
    Names missing;
    for (const std::string& name : Named()) {
      if (!clusters_.contains(name)) missing.insert(absl::StrCat("no cluster ", name));
      if (!endpoints_.contains(name)) missing.insert(absl::StrCat("no endpoints ", name));
    }
    return missing;
  }
  Names Named() const {
    Names named;
    for (const auto& [name, listener] : listeners_) config::AddClusters(listener, &named);
    for (const auto& [name, table] : routes_) config::AddClusters(table, &named);
    return named;
  }
  Names Clusters() const {
    Names names;
    for (const auto& [name, cluster] : clusters_) names.insert(name);
    return names;
  }

  // Each table's cluster.
  std::map<std::string, std::string> Tables() const {
    std::map<std::string, std::string> tables;
    for (const auto& [name, table] : routes_) {
      tables[name] = table.virtual_hosts(0).routes(0).route().cluster();
    }
    return tables;
  }

  std::deque<Request> requests;

 private:
  template <typename Message>
  using Map = std::map<std::string, Message>;

  static const std::string& NameOf(const envoy::config::endpoint::v3::ClusterLoadAssignment& m) {
    return m.cluster_name();
  }
  template <typename Message>
  static const std::string& NameOf(const Message& m) {
    return m.name();
  }
  template <typename Message>
  static void Fill(const Response& response, Map<Message>* map) {
    for (const auto& any : response.resources()) {
      Message message;
      EXPECT_TRUE(any.UnpackTo(&message));
      (*map)[NameOf(message)] = message;
    }
  }
  void Take(Type type, const Response& response) {
    switch (type) {
      case Type::kCluster:
        clusters_.clear();
        return Fill(response, &clusters_);
      case Type::kEndpoint:
        return Fill(response, &endpoints_);
      case Type::kSecret:
        return;
      case Type::kListener:
        listeners_.clear();
        return Fill(response, &listeners_);
      case Type::kRoute:
        return Fill(response, &routes_);
    }
  }
  Names NamesOf(Type type) const {
    Names names;
    if (type == Type::kEndpoint) {
      for (const auto& [name, cluster] : clusters_) config::AddEndpointName(cluster, &names);
    }
    if (type == Type::kRoute) {
      for (const auto& [name, listener] : listeners_) config::AddRouteNames(listener, &names);
    }
    return names;
  }
  void Send(Type type, const Names& names, const std::string& error) {
    Request request;
    request.set_type_url(TypeUrl(type));
    request.set_response_nonce(nonces_[type]);
    for (const std::string& name : names) request.add_resource_names(name);
    if (!error.empty()) request.mutable_error_detail()->set_message(error);
    requests.push_back(std::move(request));
    asked_[type] = names;
  }

  std::map<Type, std::string> nonces_;
  std::map<Type, Names> asked_;
  Map<envoy::config::cluster::v3::Cluster> clusters_;
  Map<envoy::config::endpoint::v3::ClusterLoadAssignment> endpoints_;
  Map<envoy::config::listener::v3::Listener> listeners_;
  Map<envoy::config::route::v3::RouteConfiguration> routes_;
};

class OrderTest : public testing::Test {
 protected:
  // Everything is delivered and accepted, until nobody has anything to say. The types sent, with
  // the clusters when it was them: "cds(a b) eds lds rds".
  std::string Settle(const Mesh& mesh) {
    const auto snapshot = Make(mesh);
    std::vector<std::string> log;
    while (true) {
      while (!node_.requests.empty()) {
        session_.OnRequest(node_.requests.front());
        node_.requests.pop_front();
      }
      const std::optional<Response> response = session_.Next(*snapshot);
      if (!response) return absl::StrJoin(log, " ");
      const Type type = *TypeFromUrl(response->type_url());
      const bool accept = type != refused_;
      node_.On(*response, accept);
      std::string entry = ShortName(type);
      if (type == Type::kCluster && accept) {
        absl::StrAppend(&entry, "(", absl::StrJoin(node_.Clusters(), " "), ")");
      }
      log.push_back(absl::StrCat(accept ? "" : "!", entry));
      EXPECT_EQ(node_.Missing(), Names()) << absl::StrJoin(log, " ");
    }
  }
  bool InSync(const Mesh& mesh) const {
    const auto snapshot = Make(mesh);
    for (const Type type : kTypes) {
      if (type == Type::kSecret) continue;  // the node asks for none
      if (!session_.InSync(type, *snapshot)) return false;
    }
    return true;
  }

  AdsSession session_;
  Node node_;
  std::optional<Type> refused_;  // the node refuses every response of this type
};

TEST_F(OrderTest, TheBeginning) {
  const Mesh mesh{.clusters = {"a", "b"}, .tables = {{"80", "a"}}, .proxies = {{"t", "b"}}};
  EXPECT_EQ(Settle(mesh), "cds(a b) eds lds rds");
  EXPECT_TRUE(InSync(mesh));
}

TEST_F(OrderTest, AReplacedClusterGoesAfterTheRoutesThatNameIt) {
  Settle({.clusters = {"a", "old"}, .tables = {{"80", "old"}}});
  const Mesh after{.clusters = {"a", "new"}, .tables = {{"80", "new"}}};
  EXPECT_EQ(Settle(after), "cds(a new old) eds rds cds(a new)");
  EXPECT_TRUE(InSync(after));
}

TEST_F(OrderTest, SoItDoesAfterTheListeners) {
  Settle({.clusters = {"old"}, .proxies = {{"t", "old"}}});
  EXPECT_EQ(Settle({.clusters = {"new"}, .proxies = {{"t", "new"}}}),
            "cds(new old) eds lds cds(new)");
}

TEST_F(OrderTest, AClusterNobodyNamesGoesAtOnce) {
  Settle({.clusters = {"a", "b"}, .tables = {{"80", "a"}}});
  EXPECT_EQ(Settle({.clusters = {"a"}, .tables = {{"80", "a"}}}), "cds(a)");
}

TEST_F(OrderTest, ATablesClustersGoAfterItsListener) {
  Settle({.clusters = {"a", "b"}, .tables = {{"80", "a"}, {"81", "b"}}});
  EXPECT_EQ(Settle({.clusters = {"a"}, .tables = {{"80", "a"}}}), "lds cds(a)");
}

TEST_F(OrderTest, RefusedRoutesKeepTheirClusters) {
  const Mesh before{.clusters = {"old"}, .tables = {{"80", "old"}}};
  Settle(before);
  refused_ = Type::kRoute;
  const Mesh after{.clusters = {"new"}, .tables = {{"80", "new"}}};
  EXPECT_EQ(Settle(after), "cds(new old) eds !rds");
  EXPECT_EQ(session_.status(Type::kRoute).error, "refused");
  EXPECT_EQ(Settle(after), "");  // not again
  refused_.reset();
  Mesh repaired = after;
  repaired.revision = 1;
  EXPECT_EQ(Settle(repaired), "cds(new old) eds lds rds cds(new)");
  EXPECT_TRUE(InSync(repaired));
}

TEST_F(OrderTest, ARefusalIsForgottenWithWhatWasRefused) {
  Settle({.clusters = {"a"}, .tables = {{"80", "a"}, {"81", "a"}}});
  refused_ = Type::kRoute;
  Mesh after{.clusters = {"a", "b"}, .tables = {{"80", "a"}, {"81", "b"}}};
  Settle(after);
  EXPECT_EQ(session_.status(Type::kRoute).error, "refused");
  after.tables.erase("81");
  Settle(after);
  EXPECT_EQ(session_.status(Type::kRoute).error, "");
  EXPECT_TRUE(InSync(after));
}

TEST_F(OrderTest, RefusedClustersHoldTheRoutesThatNameThem) {
  Settle({.clusters = {"a"}, .tables = {{"80", "a"}, {"81", "a"}}});
  refused_ = Type::kCluster;
  Mesh after{.clusters = {"a", "new"}, .tables = {{"80", "new"}, {"81", "a"}}, .revision = 1};
  EXPECT_EQ(Settle(after), "!cds eds lds rds");  // rds: 81, which has changed as well
  EXPECT_EQ(node_.Named(), Names({"a"}));
  refused_.reset();
  after.revision = 2;
  EXPECT_EQ(Settle(after), "cds(a new) eds lds rds");
  EXPECT_EQ(node_.Named(), Names({"a", "new"}));
  EXPECT_TRUE(InSync(after));
}

TEST_F(OrderTest, RefusedEndpointsHoldTheRoutesToo) {
  Settle({.clusters = {"a"}, .tables = {{"80", "a"}}});
  refused_ = Type::kEndpoint;
  EXPECT_EQ(Settle({.clusters = {"a", "new"}, .tables = {{"80", "new"}}}), "cds(a new) !eds");
  EXPECT_EQ(node_.Named(), Names({"a"}));
}

TEST_F(OrderTest, RefusedListenersKeepTheirTablesClusters) {
  Settle({.clusters = {"a", "b"}, .tables = {{"80", "a"}, {"81", "b"}}});
  refused_ = Type::kListener;
  EXPECT_EQ(Settle({.clusters = {"a"}, .tables = {{"80", "a"}}}), "!lds");
  EXPECT_EQ(node_.Clusters(), Names({"a", "b"}));
}

TEST_F(OrderTest, ThereAndBackAgainBeforeTheNodeKnew) {
  const Mesh one{.clusters = {"one"}, .tables = {{"80", "one"}}};
  const Mesh two{.clusters = {"two"}, .tables = {{"80", "two"}}};
  Settle(one);
  while (!node_.requests.empty()) node_.requests.pop_front();
  ASSERT_TRUE(session_.Next(*Make(two)));  // lost on its way: the union
  EXPECT_FALSE(session_.Next(*Make(one)));
  EXPECT_EQ(node_.Missing(), Names());
}

// The node is told that a cluster is gone, and before it has answered there are routes to it again.
TEST_F(OrderTest, AClusterOnItsWayOutIsNotThere) {
  const Mesh without{.clusters = {"a"}, .tables = {{"80", "a"}}};
  Mesh with = without;
  with.clusters.insert("b");
  Settle(with);
  std::optional<Response> removal = session_.Next(*Make(without));
  ASSERT_TRUE(removal);
  with.tables["80"] = "b";
  EXPECT_FALSE(session_.Next(*Make(with)));
  node_.On(*removal, true);
  EXPECT_EQ(Settle(with), "cds(a b) eds rds");
  EXPECT_TRUE(InSync(with));
}

// The node gives a table up and wants it back while another response is on its way: both requests
// are stale when they come.
TEST_F(OrderTest, WhatWasGivenUpInPassingIsSentAgain) {
  const Mesh both{.clusters = {"a", "b"}, .tables = {{"80", "a"}, {"81", "a"}}};
  Mesh one = both, last = both;
  one.tables.erase("80");
  last.tables["81"] = "b";
  Settle(both);
  const std::optional<Response> without = session_.Next(*Make(one));
  ASSERT_TRUE(without);
  node_.On(*without, true);
  session_.OnRequest(node_.requests.front());  // LDS; that of RDS is still under way
  node_.requests.pop_front();
  const std::optional<Response> listeners = session_.Next(*Make(last));
  const std::optional<Response> routes = session_.Next(*Make(last));
  ASSERT_TRUE(listeners && routes);
  EXPECT_EQ(routes->resources_size(), 1);  // 81, 80 is as it was
  node_.On(*listeners, true);
  node_.On(*routes, true);
  EXPECT_EQ(Settle(last), "rds");
  EXPECT_EQ(node_.Tables(), last.tables);
  EXPECT_TRUE(InSync(last));
}

TEST_F(OrderTest, ANameThatDoesNotExistHoldsNothing) {
  const Mesh mesh{.clusters = {"a"}, .tables = {{"80", "nowhere"}}};
  const auto snapshot = Make(mesh);
  std::string log;
  while (true) {
    while (!node_.requests.empty()) {
      session_.OnRequest(node_.requests.front());
      node_.requests.pop_front();
    }
    const std::optional<Response> response = session_.Next(*snapshot);
    if (!response) break;
    node_.On(*response, true);
    absl::StrAppend(&log, ShortName(*TypeFromUrl(response->type_url())), " ");
  }
  EXPECT_EQ(log, "cds eds lds rds ");
}

// gRPC's client: routes first, then the clusters they name.
TEST(Order, AClientThatNamesItsClustersGetsRoutesFirst) {
  AdsSession session;
  const auto snapshot = Make({.clusters = {"a"}, .tables = {{"80", "a"}}});
  Request routes;
  routes.set_type_url(TypeUrl(Type::kRoute));
  routes.add_resource_names("80");
  session.OnRequest(routes);
  const auto response = session.Next(*snapshot);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->type_url(), TypeUrl(Type::kRoute));
}

Mesh RandomMesh(Prng& prng, int revision) {
  Mesh mesh{.revision = static_cast<int>(prng.Below(2)) * revision};
  std::vector<std::string> clusters;
  for (const char* name : {"a", "b", "c", "d"}) {
    if (prng.Chance(1, 2)) clusters.push_back(name);
  }
  if (clusters.empty()) clusters.push_back("a");
  mesh.clusters = Names(clusters.begin(), clusters.end());
  const auto any = [&] { return clusters[prng.Below(clusters.size())]; };
  for (const char* name : {"80", "81", "82"}) {
    if (prng.Chance(2, 3)) mesh.tables[name] = any();
  }
  for (const char* name : {"x", "y"}) {
    if (prng.Chance(1, 2)) mesh.proxies[name] = any();
  }
  return mesh;
}

// Delivers everything until nobody has anything to say.
void Drain(const Snapshot& snapshot, AdsSession* session, Node* node,
           std::deque<Response>* responses) {
  while (true) {
    for (; !node->requests.empty(); node->requests.pop_front()) {
      session->OnRequest(node->requests.front());
    }
    if (responses->empty()) {
      std::optional<Response> response = session->Next(snapshot);
      if (!response) return;
      responses->push_back(*std::move(response));
    }
    node->On(responses->front(), true);
    responses->pop_front();
  }
}

// Requests and responses wait for as long as chance wants, each in order; the mesh changes under
// way; one response in eight is refused.
TEST(Order, HoldsForEveryRandomCourse) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Prng prng(seed);
    AdsSession session;
    Node node;
    std::deque<Response> responses;
    Mesh mesh = RandomMesh(prng, 0);
    auto snapshot = Make(mesh);
    for (int step = 1; step <= 400; ++step) {
      const bool calm = step > 300;  // at the end all is accepted, and nothing changes
      switch (prng.Below(calm ? 3 : 4)) {
        case 0:
          if (node.requests.empty()) break;
          session.OnRequest(node.requests.front());
          node.requests.pop_front();
          break;
        case 1:
          if (auto response = session.Next(*snapshot)) responses.push_back(*std::move(response));
          break;
        case 2:
          if (responses.empty()) break;
          node.On(responses.front(), calm || !prng.Chance(1, 8));
          responses.pop_front();
          ASSERT_EQ(node.Missing(), Names()) << "seed " << seed << " step " << step;
          break;
        case 3:
          if (!prng.Chance(1, 4)) break;
          snapshot = Make(mesh = RandomMesh(prng, step));
          break;
      }
      if (step == 300) {  // content that was refused is not sent again: it has to change
        mesh.revision = 1'000;
        snapshot = Make(mesh);
      }
    }
    Drain(*snapshot, &session, &node, &responses);
    for (const Type type : kTypes) {
      if (type == Type::kSecret) continue;
      EXPECT_TRUE(session.InSync(type, *snapshot)) << "seed " << seed << " " << ShortName(type);
    }
    EXPECT_EQ(node.Clusters(), mesh.clusters) << "seed " << seed;
    EXPECT_EQ(node.Tables(), mesh.tables) << "seed " << seed;
  }
}

}  // namespace
}  // namespace meltemi::control::pilot::ads_session
