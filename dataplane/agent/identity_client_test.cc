// Goal: the node's client and the real CA understand each other over TLS, and what goes wrong with
// one is told by the other. Method: meltemi-ca's server in this process, on localhost; the client's
// wall clock is turned by hand.
#include "dataplane/agent/identity_client.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <time.h>

#include <cstdlib>
#include <fstream>

#include "absl/time/clock.h"
#include "ca/os_entropy.h"
#include "ca/server.h"
#include "ca/x509/certificate.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/signing_for_test.h"

namespace meltemi::agent {
namespace {

const std::string kNode = "spiffe://cluster.local/ns/meltemi-system/sa/meltemi-node";
const std::string kReviews = "spiffe://cluster.local/ns/shop/sa/reviews";
const std::string kCart = "spiffe://cluster.local/ns/shop/sa/cart";
const std::string kElsewhere = "spiffe://cluster.local/ns/shop/sa/elsewhere";

constexpr char kPods[] = R"(
kind: Pod
metadata: {name: reviews-1, namespace: shop}
spec: {nodeName: node-a, serviceAccountName: reviews}
---
kind: Pod
metadata: {name: cart-1, namespace: shop}
spec: {nodeName: node-a, serviceAccountName: cart}
---
kind: Pod
metadata: {name: elsewhere-1, namespace: shop}
spec: {nodeName: node-b, serviceAccountName: elsewhere}
)";

class IdentityClientTest : public ::testing::Test {
 protected:
  IdentityClientTest() {
    const char* base = getenv("TEST_TMPDIR");
    folder_ = Cat(base == nullptr ? "/tmp" : base, "/identity.XXXXXX");
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    EXPECT_EQ(mkdir((folder_ + "/registry").c_str(), 0700), 0);
    Write("registry/pods.yaml", kPods);
    Write("jwks", signer_.Jwks());
    WriteToken(absl::Now() + absl::Hours(1));
    flags_.data_dir = folder_ + "/ca";
    flags_.grpc_addr = "127.0.0.1:0";
    flags_.http_addr = "127.0.0.1:0";
    flags_.token_jwks = folder_ + "/jwks";
    flags_.token_issuer = "i";
    flags_.registry_dir = folder_ + "/registry";
    StartCa();
    Write("roots", server_->authority()->current()->trusted_pem);
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(Cat(folder_, "/", name)) << text;
  }
  void WriteToken(absl::Time expires) {
    Write("token",
          signer_.Sign(Cat(R"({"iss":"i","aud":"istio-ca","exp":)", absl::ToUnixSeconds(expires),
                           R"(,"sub":"system:serviceaccount:meltemi-system:meltemi-node",)",
                           R"("kubernetes.io":{"node":{"name":"node-a"}}})")));
  }
  void StartCa() {
    auto options = ca::ParseOptions(flags_, "");
    ASSERT_TRUE(options.ok()) << options.status();
    auto server = ca::Server::Start(
        flags_, *options, [] { return absl::Now(); }, ca::OsEntropy());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    flags_.grpc_addr = Cat("127.0.0.1:", server_->grpc_port());  // after a restart, the same
  }
  IdentityClientOptions Options() {
    IdentityClientOptions options;
    options.target = flags_.grpc_addr;
    options.server_name = "meltemi-ca";
    options.roots_file = folder_ + "/roots";
    options.node_identity = kNode;
    options.token_file = folder_ + "/token";
    options.state.backoff_min = Duration::Millis(50);
    options.state.backoff_max = Duration::Millis(200);
    return options;
  }
  std::unique_ptr<IdentityClient> StartClient(const IdentityClientOptions& options,
                                              std::set<std::string> local) {
    auto client = std::make_unique<IdentityClient>(options, 1, nullptr, [this] { return Now(); });
    client->SetLocal(std::move(local));
    client->Start();
    return client;
  }
  IdentityNow Now() {
    timespec steady{};
    clock_gettime(CLOCK_MONOTONIC, &steady);
    return {Instant::FromNanos(int64_t{steady.tv_sec} * 1'000'000'000 + steady.tv_nsec),
            {absl::ToUnixSeconds(absl::Now()) + wall_jump_.load()}};
  }
  // Looks until it is so; false after a time no machine needs.
  static bool Until(const std::function<bool()>& so) {
    for (const absl::Time end = absl::Now() + absl::Seconds(60); absl::Now() < end;) {
      if (so()) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return so();
  }
  static bool Has(const IdentityClient& client, const std::string& identity) {
    return Until([&] { return client.Get(identity).ok(); });
  }
  static IdentityStatus Of(const IdentityClient& client, const std::string& identity) {
    for (const IdentityStatus& status : client.Status().identities) {
      if (status.identity == identity) return status;
    }
    return {};
  }
  static bool FailsWith(const IdentityClient& client, const std::string& identity,
                        const std::string& why) {
    const bool failed =
        Until([&] { return Of(client, identity).last_failure.find(why) != std::string::npos; });
    EXPECT_TRUE(failed) << Of(client, identity).last_failure;
    return failed;
  }

  std::string folder_;
  policy::TestSigner signer_{"k"};
  ca::FlagValues flags_;
  std::unique_ptr<ca::Server> server_;
  std::atomic<int64_t> wall_jump_{0};
};

TEST_F(IdentityClientTest, ANodeGetsItsOwnAndItsWorkloadsCertificates) {
  const auto client = StartClient(Options(), {kReviews, kCart, kElsewhere});
  ASSERT_TRUE(Has(*client, kNode));
  ASSERT_TRUE(Has(*client, kReviews));
  ASSERT_TRUE(Has(*client, kCart));
  EXPECT_EQ(client->trusted_pem(), server_->authority()->current()->trusted_pem);
  // On another node says the CA; not here at all says the client.
  FailsWith(*client, kElsewhere, "no workload of " + kElsewhere + " is bound to node node-a");
  EXPECT_EQ(client->Get("spiffe://cluster.local/ns/shop/sa/x").status().code(),
            absl::StatusCode::kPermissionDenied);
  const auto leaf = ca::CertificatesFromPem((*client->Get(kReviews))->chain.chain_pem);
  EXPECT_EQ(ca::UriNames(leaf->front().get()), std::vector<std::string>{kReviews});
  const uint64_t version = client->version();
  const std::vector<IdentitySecret> secrets = client->Secrets();
  ASSERT_EQ(secrets.size(), 3u);  // by identity: the node's own, cart, reviews
  EXPECT_EQ(secrets[2].identity, kReviews);
  EXPECT_EQ(secrets[2].chain_pem, (*client->Get(kReviews))->chain.chain_pem);
  EXPECT_TRUE(secrets[2].key_pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  EXPECT_EQ(secrets[2].trusted_pem, client->trusted_pem());
  client->SetLocal({kReviews});
  EXPECT_GT(client->version(), version);
  EXPECT_EQ(client->Secrets().size(), 2u);
}

TEST_F(IdentityClientTest, TheOldCertificateServesWhileTheCaIsAway) {
  const auto client = StartClient(Options(), {kReviews});
  ASSERT_TRUE(Has(*client, kReviews));
  ASSERT_TRUE(Has(*client, kNode));
  const std::string first = Of(*client, kReviews).serial;
  server_.reset();
  wall_jump_ = 13 * 3600;  // past half of its life
  ASSERT_TRUE(Until([&] { return Of(*client, kReviews).failures >= 3; }));
  EXPECT_TRUE(client->Get(kReviews).ok());
  EXPECT_EQ(Of(*client, kReviews).serial, first);
  EXPECT_GE(client->Status().failures, 3u);
  StartCa();  // the same CA again
  ASSERT_TRUE(Until([&] { return Of(*client, kReviews).serial != first; }));
  EXPECT_EQ(Of(*client, kReviews).last_failure, "");
}

TEST_F(IdentityClientTest, WrongTokensAreToldAndRightOnesTakenUp) {
  WriteToken(absl::Now() - absl::Hours(1));
  const auto client = StartClient(Options(), {});
  FailsWith(*client, kNode, "Jwt is expired");
  Write("token", "nonsense");
  FailsWith(*client, kNode, "Jwt is not in the form");
  Write("token", "");
  FailsWith(*client, kNode, "no token in ");
  WriteToken(absl::Now() + absl::Hours(1));
  EXPECT_TRUE(Has(*client, kNode));
}

TEST_F(IdentityClientTest, AStrangersCaIsNotAsked) {
  IdentityClientOptions options = Options();
  const auto other =
      ca::MakeSelfSignedRoot({.trust_domain = "cluster.local"}, absl::Now(), ca::OsEntropy());
  Write("roots", other->root_cert);
  const auto client = StartClient(options, {});
  ASSERT_TRUE(Until([&] { return Of(*client, kNode).failures >= 2; }));
  EXPECT_FALSE(client->Get(kNode).ok());
  Write("roots", "");
  FailsWith(*client, kNode, "no root certificate in ");
  Write("roots", server_->authority()->current()->trusted_pem);
  EXPECT_TRUE(Has(*client, kNode));
}

TEST_F(IdentityClientTest, AJoinTokenBringsTheNodeInAndItsCertificateTheRest) {
  ca::DiskFiles files;
  ca::JoinTokens tokens(&files, flags_.data_dir + "/join-tokens");
  const auto token = tokens.Create({"cluster.local", "meltemi-system", "meltemi-node"}, "node-a",
                                   absl::Hours(1), absl::Now(), ca::OsEntropy());
  ASSERT_TRUE(token.ok()) << token.status();
  Write("join", *token + "\n");
  IdentityClientOptions options = Options();
  options.token_file = "";
  options.join_token_file = folder_ + "/join";
  {
    const auto client = StartClient(options, {kReviews, kElsewhere});
    ASSERT_TRUE(Has(*client, kNode));
    ASSERT_TRUE(Has(*client, kReviews));
    FailsWith(*client, kElsewhere, "is bound to node node-a");
    const std::string first = Of(*client, kNode).serial;
    wall_jump_ = 13 * 3600;
    EXPECT_TRUE(Until([&] { return Of(*client, kNode).serial != first; }));  // by its certificate
  }
  // It was good once.
  const auto again = StartClient(options, {});
  FailsWith(*again, kNode, "the join token is unknown, used or expired");
}

// Goal: with real TLS, each step of a rotation finds the client able to renew, though its file of
// roots has the first root only.
TEST_F(IdentityClientTest, ARotationIsFollowed) {
  const auto client = StartClient(Options(), {kReviews});
  ASSERT_TRUE(Has(*client, kReviews));
  ASSERT_TRUE(Has(*client, kNode));
  // The CA's clock stays: certificates end 24 hours from now, and half of what is left is less each
  // time.
  const auto renew = [&](int64_t minutes) {
    const std::string first = Of(*client, kReviews).serial, own = Of(*client, kNode).serial;
    wall_jump_ = minutes * 60;
    EXPECT_TRUE(Until([&] {
      return Of(*client, kReviews).serial != first && Of(*client, kNode).serial != own;
    })) << minutes;
    return client->trusted_pem();
  };
  const auto count = [](const std::string& pem) { return ca::CertificatesFromPem(pem)->size(); };
  ASSERT_TRUE(server_->authority()->Begin(std::nullopt).ok());
  EXPECT_EQ(count(renew(13 * 60)), 2u);
  ASSERT_TRUE(server_->authority()->Switch(ca::Authority::Pace::kNow).ok());
  EXPECT_EQ(count(renew(20 * 60)), 2u);
  ASSERT_TRUE(server_->authority()->Retire(ca::Authority::Pace::kNow).ok());
  EXPECT_EQ(count(renew(22 * 60 + 30)), 1u);
  EXPECT_EQ(client->Status().failures, 0u);
}

}  // namespace
}  // namespace meltemi::agent
