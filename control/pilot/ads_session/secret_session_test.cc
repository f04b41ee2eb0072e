// Goal: a secret goes to a proven node that may have it, and to nobody else; who may not have it
// does not get what serves with it, and is told why. Method: requests in, responses out.
#include "control/pilot/ads_session/session.h"
#include "control/pilot/translate/proto_util.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::ads_session {
namespace {

using Names = std::vector<std::string>;
using Response = AdsSession::Response;
using envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
using envoy::extensions::transport_sockets::tls::v3::Secret;

constexpr char kName[] = "kubernetes://edge/shop";
constexpr char kAddress[] = "192.0.2.1";

struct Given {
  std::string key = "key 1";
  std::set<std::string> nodes = {"node-a"};
};

// A gateway's listener that serves with a secret, one of the same workload that does not, and one
// of the mesh that names what the node has by itself.
std::shared_ptr<const Snapshot> Make(const Given& given) {
  translate::Resources out;
  for (const char* name : {"shop", "plain", "own"}) {
    auto& listener = out.listeners.emplace_back();
    listener.set_name(name);
    translate::SetAddress(kAddress, 443, listener.mutable_address());
    if (listener.name() == "plain") continue;
    DownstreamTlsContext context;
    auto* secret = context.mutable_common_tls_context()->add_tls_certificate_sds_secret_configs();
    secret->set_name(listener.name() == "shop" ? kName : "spiffe://cluster.local/ns/a/sa/b");
    translate::SetAds(secret->mutable_sds_config());
    auto* socket = listener.add_filter_chains()->mutable_transport_socket();
    socket->set_name("envoy.transport_sockets.tls");
    *socket->mutable_typed_config() = translate::Pack(context);
  }
  auto& secret = out.secrets.emplace_back();
  secret.message.set_name(kName);
  secret.message.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_bytes("chain");
  secret.message.mutable_tls_certificate()->mutable_private_key()->set_inline_bytes(given.key);
  secret.version = given.key;
  secret.nodes = given.nodes;
  return MakeSnapshot(out);
}

AdsSession::Request Ask(Type type, const Names& names = {}) {
  AdsSession::Request request;
  request.set_type_url(TypeUrl(type));
  for (const std::string& name : names) request.add_resource_names(name);
  auto& workloads = *(*request.mutable_node()->mutable_metadata()->mutable_fields())["WORKLOADS"]
                         .mutable_list_value();
  (*workloads.add_values()->mutable_struct_value()->mutable_fields())["addresses"]
      .mutable_list_value()
      ->add_values()
      ->set_string_value(kAddress);
  return request;
}

AdsSession::Request Ack(const Response& response, const Names& names = {}) {
  AdsSession::Request request = Ask(*TypeFromUrl(response.type_url()), names);
  request.set_response_nonce(response.nonce());
  return request;
}

Names ListenersOf(AdsSession* session, const Snapshot& snapshot) {
  session->OnRequest(Ask(Type::kListener));
  const auto response = session->Next(snapshot);
  if (!response) return {"nothing was said"};
  session->OnRequest(Ack(*response));
  Names names;
  for (const auto& [name, listener] : session->status(Type::kListener).acked) names.push_back(name);
  return names;
}

TEST(Secrets, GoToAProvenNodeThatMayHaveThem) {
  AdsSession session;
  session.Prove("node-a");
  const auto snapshot = Make({});
  EXPECT_EQ(ListenersOf(&session, *snapshot), (Names{"own", "plain", "shop"}));
  EXPECT_TRUE(session.HeldBack(*snapshot).empty());
  session.OnRequest(Ask(Type::kSecret, {kName, "kubernetes://edge/other"}));
  const auto response = session.Next(*snapshot);
  ASSERT_TRUE(response);
  ASSERT_EQ(response->resources_size(), 1);
  Secret secret;
  ASSERT_TRUE(response->resources(0).UnpackTo(&secret));
  EXPECT_EQ(secret.tls_certificate().private_key().inline_bytes(), "key 1");
  session.OnRequest(Ack(*response, {kName, "kubernetes://edge/other"}));
  EXPECT_TRUE(session.InSync(Type::kSecret, *snapshot));
  EXPECT_FALSE(session.Next(*snapshot));
}

TEST(Secrets, AreReplacedByThemselves) {
  AdsSession session;
  session.Prove("node-a");
  const auto before = Make({}), after = Make({.key = "key 2"});
  ListenersOf(&session, *before);
  session.OnRequest(Ask(Type::kSecret, {kName}));
  session.OnRequest(Ack(*session.Next(*before), {kName}));
  const auto response = session.Next(*after);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->type_url(), TypeUrl(Type::kSecret));
  session.OnRequest(Ack(*response, {kName}));
  EXPECT_FALSE(session.Next(*after));  // the listener is as it was
}

TEST(Secrets, DoNotGoToAnybodyElse) {
  const struct {
    const char* name;
    const char* proven;
    std::set<std::string> nodes;
    const char* why;
  } rows[] = {
      {"not proven", "", {"node-a"}, "over mutual TLS only"},
      {"not proven, and bound to no node", "", {}, "over mutual TLS only"},
      {"another node", "node-b", {"node-a"}, "spec.nodeName"},
      {"bound to no node", "node-a", {}, "spec.nodeName"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    AdsSession session;
    if (*row.proven != '\0') session.Prove(row.proven);
    const auto snapshot = Make({.nodes = row.nodes});
    EXPECT_EQ(ListenersOf(&session, *snapshot), (Names{"own", "plain"}));
    EXPECT_TRUE(session.InSync(Type::kListener, *snapshot));
    const std::vector<Held> held = session.HeldBack(*snapshot);
    ASSERT_EQ(held.size(), 1u);
    EXPECT_EQ(held[0].listener, "shop");
    EXPECT_NE(held[0].why.find(row.why), std::string::npos) << held[0].why;
    for (const Names& names : {Names{kName}, Names{"*"}}) {
      session.OnRequest(Ask(Type::kSecret, names));
      const auto response = session.Next(*snapshot);
      EXPECT_TRUE(!response || response->resources_size() == 0);
    }
  }
}

// Its Pod has moved: what the node has is taken back, and it gets no newer key.
TEST(Secrets, EndWhenTheNodeMayNoLongerHaveThem) {
  AdsSession session;
  session.Prove("node-a");
  const auto before = Make({}), after = Make({.key = "key 2", .nodes = {"node-b"}});
  ListenersOf(&session, *before);
  session.OnRequest(Ask(Type::kSecret, {kName}));
  session.OnRequest(Ack(*session.Next(*before), {kName}));
  const auto response = session.Next(*after);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->type_url(), TypeUrl(Type::kListener));
  EXPECT_EQ(response->resources_size(), 2);
  session.OnRequest(Ack(*response));
  EXPECT_FALSE(session.Next(*after));
}

TEST(Secrets, AreShownWithoutTheirKeys) {
  const auto snapshot = Make({.key = "very secret"});
  const auto& resource = *snapshot->type(Type::kSecret).resources.at(kName);
  const google::protobuf::Any shown = Shown(Type::kSecret, resource);
  EXPECT_EQ(shown.value().find("very secret"), std::string::npos);
  Secret secret;
  ASSERT_TRUE(shown.UnpackTo(&secret));
  EXPECT_EQ(secret.tls_certificate().private_key().inline_string(), "[redacted]");
  EXPECT_EQ(secret.tls_certificate().certificate_chain().inline_bytes(), "chain");
  const auto& listener = *snapshot->type(Type::kListener).resources.at("shop");
  EXPECT_EQ(Shown(Type::kListener, listener).value(), listener.any.value());
}

}  // namespace
}  // namespace meltemi::control::pilot::ads_session
