// Goal: secrets as a control plane and people see them: what is asked for, waited for, refused, and
// that no private key is shown. Method: responses by hand, a virtual clock, pages compared.
#include <string>
#include <vector>

#include "dataplane/agent/ads_state.h"
#include "dataplane/agent/config_dump.h"
#include "dataplane/agent/testing_resources.h"
#include "dataplane/agent/yaml_json.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

using namespace testing;  // NOLINT: the builders of this folder
using envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
using envoy::extensions::transport_sockets::tls::v3::Secret;
using envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;

constexpr char kKey[] = "-----KEY TEXT-----";

Secret CertificateSecret(const std::string& name) {
  Secret s;
  s.set_name(name);
  s.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string("chain of " + name);
  s.mutable_tls_certificate()->mutable_private_key()->set_inline_string(kKey);
  return s;
}

Cluster ClusterWithSecret(const std::string& name, const std::string& secret) {
  Cluster c = StaticCluster(name);
  UpstreamTlsContext tls;
  auto* config = tls.mutable_common_tls_context()->add_tls_certificate_sds_secret_configs();
  config->set_name(secret);
  config->mutable_sds_config()->mutable_ads();
  c.mutable_transport_socket()->set_name("tls");
  c.mutable_transport_socket()->mutable_typed_config()->PackFrom(tls);
  return c;
}

Listener ListenerWithInlineKey(int port) {
  Listener l = HttpListener(port);
  DownstreamTlsContext tls;
  auto* certificate = tls.mutable_common_tls_context()->add_tls_certificates();
  certificate->mutable_certificate_chain()->set_inline_string("chain of the listener");
  certificate->mutable_private_key()->set_inline_bytes(kKey);
  auto* socket = l.mutable_filter_chains(0)->mutable_transport_socket();
  socket->set_name("tls");
  socket->mutable_typed_config()->PackFrom(tls);
  return l;
}

class SecretsTest : public ::testing::Test {
 protected:
  static AdsState::Options MakeOptions() {
    AdsState::Options options;
    options.node.set_id("node-a");
    options.static_secrets = {CertificateSecret("fixed")};
    options.compiler.static_secrets = {"fixed"};
    return options;
  }
  template <typename Message>
  std::vector<DiscoveryRequest> Send(Type type, const std::string& version,
                                     const std::vector<Message>& messages) {
    return state_.OnResponse(Response(type, version, messages), now_);
  }
  bool Published() { return *state_.TakeSnapshot(now_) != nullptr; }

  Instant now_ = Instant::FromNanos(1'000'000'000);
  AdsState state_{MakeOptions(), {ListenerWithInlineKey(81)}, {}};
};

TEST_F(SecretsTest, AreAskedForByNameAndWaitedForAndChangeWithoutASnapshot) {
  state_.OnStreamOpen();
  ASSERT_TRUE(Published());  // the static resources
  const auto requests = Send<Cluster>(Type::kCluster, "1", {ClusterWithSecret("a", "mine")});
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].type_url(), TypeUrl(Type::kSecret));
  ASSERT_EQ(requests[1].resource_names_size(), 1);
  EXPECT_EQ(requests[1].resource_names(0), "mine");
  Send<Listener>(Type::kListener, "1", {});
  EXPECT_FALSE(Published());
  EXPECT_EQ(state_.Missing(), (std::vector<std::string>{"rds 81", "sds mine"}));
  Send<RouteConfiguration>(Type::kRoutes, "1", {Routes("81", "a")});
  EXPECT_FALSE(Published());

  Send<Secret>(Type::kSecret, "1", {CertificateSecret("mine")});
  EXPECT_TRUE(Published());
  const uint64_t version = state_.secrets_version();
  EXPECT_EQ(state_.Secrets().at("mine").certificate->chain.text, "chain of mine");
  EXPECT_EQ(state_.Secrets().at("fixed").certificate->chain.text, "chain of fixed");

  Secret renewed = CertificateSecret("mine");
  renewed.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string("new");
  Send<Secret>(Type::kSecret, "2", {renewed});
  EXPECT_FALSE(Published());
  EXPECT_GT(state_.secrets_version(), version);
  EXPECT_EQ(state_.Secrets().at("mine").certificate->chain.text, "new");
}

TEST_F(SecretsTest, AWrongOneIsRefusedWithTheFieldAndTheOldOneStays) {
  state_.OnStreamOpen();
  Send<Cluster>(Type::kCluster, "1", {ClusterWithSecret("a", "mine")});
  Send<Secret>(Type::kSecret, "1", {CertificateSecret("mine")});
  Secret wrong = CertificateSecret("mine");
  wrong.mutable_tls_certificate()->clear_private_key();
  const auto requests = Send<Secret>(Type::kSecret, "2", {wrong});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].error_detail().message(),
            "Secret \"mine\": tls_certificate.private_key: must be set");
  EXPECT_EQ(requests[0].version_info(), "1");
  EXPECT_EQ(state_.Secrets().at("mine").certificate->key.text, kKey);
}

// Goal: no page shows a private key, wherever it stands. Method: keys everywhere a configuration
// may have them, one text searched.
TEST_F(SecretsTest, PrivateKeysAreNotShown) {
  state_.OnStreamOpen();
  Send<Cluster>(Type::kCluster, "1", {ClusterWithSecret("a", "mine")});
  Send<Listener>(Type::kListener, "1", {ListenerWithInlineKey(82)});
  Send<Secret>(Type::kSecret, "1", {CertificateSecret("mine")});
  const std::string json = ConfigDumpJson(state_, "{}", WallClock{});
  EXPECT_EQ(json.find("KEY TEXT"), std::string::npos) << json;
  EXPECT_EQ(json.find("LS0tLS1LRVkgVEVYVC0tLS0t"), std::string::npos) << "as base64: " << json;
  int shown = 0;
  for (size_t at = 0; (at = json.find("[redacted]", at)) != std::string::npos; ++at) ++shown;
  EXPECT_EQ(shown, 4) << json;  // two listeners, two secrets
  // Certificates are public.
  for (const char* part : {"chain of fixed", "chain of mine", "chain of the listener"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part;
  }
}

TEST(RedactedJson, HidesInlineSecretsInEitherSpelling) {
  const YAML::Node yaml = YAML::Load(
      "a: [{private_key: {inline_string: k1}, certificate_chain: {inline_string: c1}},\n"
      "    {privateKey: {inlineBytes: k2}}, {privateKey: {filename: /k3}}]\n");
  EXPECT_EQ(YamlToRedactedJson(yaml),
            "{\"a\":[{\"private_key\":{\"inline_string\":\"[redacted]\"},"
            "\"certificate_chain\":{\"inline_string\":\"c1\"}},"
            "{\"privateKey\":{\"inlineBytes\":\"[redacted]\"}},"
            "{\"privateKey\":{\"filename\":\"/k3\"}}]}");
}

}  // namespace
}  // namespace meltemi::agent
