// Goal: the node calls its control plane by mutual TLS with what the start-up file says, or with
// its own certificate as soon as it has one; and tells nothing to a server it cannot verify.
// Method: real gRPC on the loopback, real files, certificates of a CA in the test; every wait is
// for something that happens.
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "absl/time/clock.h"
#include "ca/issuer/issuer.h"
#include "ca/testing/make_csr.h"
#include "ca/x509/certificate.h"
#include "dataplane/agent/ads_credentials.h"
#include "dataplane/agent/agent.h"
#include "dataplane/agent/testing_ads_server.h"
#include "gtest/gtest.h"

namespace meltemi::agent {
namespace {

using testing::AdsServer;
using testing::kPatience;

const ca::Identity kNodes = {"cluster.local", "meltemi-system", "meltemi-node"};

void FillSevens(absl::Span<uint8_t> bytes) {
  for (uint8_t& b : bytes) b = 7;
}

ca::SigningCa NewCa() {
  const auto root =
      ca::MakeSelfSignedRoot({.trust_domain = "cluster.local"}, absl::Now(), FillSevens);
  return *ca::SigningCa::Load(*root, "");
}

struct Pem {
  std::string chain, key;
};

Pem Issue(const ca::SigningCa& by, ca::LeafOptions options) {
  const ca::KeyPtr key = ca::testing::NewKey();
  options.ttl = absl::Hours(1);
  options.backdate = absl::Minutes(2);
  return {ca::IssueLeaf(by, key.get(), options, absl::Now(), FillSevens)->pem,
          *ca::PrivateKeyToPem(key.get(), "")};
}

std::shared_ptr<grpc::ServerCredentials> Require(const ca::SigningCa& by, const Pem& own) {
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = ca::ToPem(by.roots());
  options.pem_key_cert_pairs = {{own.key, own.chain}};
  return grpc::SslServerCredentials(options);
}

class AgentTlsTest : public ::testing::Test {
 protected:
  AgentTlsTest() {
    const char* base = std::getenv("TEST_TMPDIR");
    folder_ = Cat(base == nullptr ? "/tmp" : base, "/agent-tls.XXXXXX");
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    Write("roots", ca::ToPem(ca_.roots()));
    bootstrap_.node.set_id("node-a");
    bootstrap_.ads_tls = AdsTls{.server_name = "pilot"};
  }
  ~AgentTlsTest() override {
    if (agent_ != nullptr) agent_->Stop();
  }

  std::string Path(const std::string& name) const { return Cat(folder_, "/", name); }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }
  Pem Pilot(const ca::SigningCa& by) const {
    return Issue(by, {.identity = {"cluster.local", "s", "pilot"}, .dns_names = {"pilot"}});
  }
  Pem NodePem() const { return Issue(ca_, {.identity = kNodes, .node = "node-a"}); }
  void UseFiles() {
    const Pem own = NodePem();
    Write("chain", own.chain);
    Write("key", own.key);
    bootstrap_.ads_tls = AdsTls{"pilot", Path("roots"), Path("chain"), Path("key")};
  }
  void UseCa() {
    bootstrap_.ca = CaConfig{.address = "c:1",
                             .server_name = "",
                             .roots_path = Path("roots"),
                             .trust_domain = "cluster.local",
                             .node_account = "meltemi-system/meltemi-node"};
  }
  void SetOwn(const Pem& pem) {
    const absl::MutexLock lock(&mutex_);
    TlsSecrets own;
    own[NodeIdentity(*bootstrap_.ca)].certificate = config::TlsCertificateSource{
        .chain = {.filename = "", .text = pem.chain}, .key = {.filename = "", .text = pem.key}};
    own[kOwnRoots].trusted_ca.text = ca::ToPem(ca_.roots());
    own_ = std::move(own);
  }
  void Start(const AdsServer& server) {
    bootstrap_.ads_target = server.target();
    {
      const absl::MutexLock lock(&mutex_);
      wait_count_ = 0;  // of this agent's
    }
    agent_ = std::make_unique<Agent>(
        bootstrap_, &slot_, /*seed=*/7, [](const config::Snapshot&) {},
        AgentTime{.now = [this] { return Now(); },
                  .wait = [this](Duration d, const absl::Notification&) { Wait(d); }});
    agent_->ServeTls(&contexts_, {.version = [] { return uint64_t{1}; },
                                  .get =
                                      [this] {
                                        const absl::MutexLock lock(&mutex_);
                                        return own_;
                                      }});
    ASSERT_TRUE(agent_->Start().ok());
  }
  void AwaitWaits(int count) {
    const absl::MutexLock lock(&mutex_);
    const auto enough = [&] { return wait_count_ >= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience));
  }

  const ca::SigningCa ca_ = NewCa(), other_ = NewCa();
  std::string folder_;
  Bootstrap bootstrap_;
  shared::SnapshotSlot slot_{1};
  shared::Latest<tls::ContextTableRef> contexts_;
  std::unique_ptr<Agent> agent_;

 private:
  Instant Now() {
    const absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Wait(Duration duration) {
    const absl::MutexLock lock(&mutex_);
    ++wait_count_;
    now_ = now_ + duration;
  }

  absl::Mutex mutex_;
  Instant now_ = Instant::FromNanos(1);
  int wait_count_ = 0;
  TlsSecrets own_;
};

TEST_F(AgentTlsTest, CallsWithTheFilesOfTheStartUpFile) {
  UseFiles();
  AdsServer server(Require(ca_, Pilot(ca_)));
  Start(server);
  EXPECT_EQ(server.Take().node().id(), "node-a");
}

TEST_F(AgentTlsTest, CallsWithItsOwnCertificateOnceItHasOne) {
  UseCa();
  AdsServer server(Require(ca_, Pilot(ca_)));
  Start(server);
  AwaitWaits(3);  // it has none, and does not call
  SetOwn(NodePem());
  EXPECT_EQ(server.Take().node().id(), "node-a");
}

TEST_F(AgentTlsTest, ServersThatAreNotVerifiedAreNotTold) {
  UseFiles();
  // Of another root; and of ours, but a node whose subject has the name that is called.
  const Pem impostor = Issue(ca_, {.identity = kNodes, .node = "pilot"});
  const std::vector<std::pair<Pem, std::string>> cases = {
      {Pilot(other_), "certificate verify failed"}, {impostor, "is not in peer certificate"}};
  for (const auto& [pem, error] : cases) {
    AdsServer server(Require(ca_, pem));
    Start(server);
    AwaitWaits(2);  // the second attempt failed, too
    agent_->Stop();
    EXPECT_EQ(agent_->Status().connects, 0u);
    EXPECT_EQ(server.Count(), 0u);
    EXPECT_NE(agent_->Status().stream_error.find(error), std::string::npos)
        << agent_->Status().stream_error;
  }
}

TEST_F(AgentTlsTest, WhatIsMissingIsNamed) {
  UseFiles();
  const AdsTls tls = *bootstrap_.ads_tls;
  const auto error = [&](const AdsTls& wanted, const CaConfig* ca, const TlsSecrets& own) {
    return std::string(ReadAdsPem(wanted, ca, own).status().message());
  };
  EXPECT_EQ(error(tls, nullptr, {}), "");
  AdsTls broken = tls;
  broken.key_path = Path("gone");
  EXPECT_NE(error(broken, nullptr, {}).find("gone"), std::string::npos);
  Write("empty", "");
  broken = tls;
  broken.roots_path = Path("empty");
  EXPECT_EQ(error(broken, nullptr, {}), Cat(Path("empty"), ": no certificate in it"));
  UseCa();
  EXPECT_EQ(error({}, &*bootstrap_.ca, {}), "the node has no certificate from its CA yet");
}

// A root that the CA has rotated in comes with the certificates, before the file has it.
TEST_F(AgentTlsTest, RootsOfTheCaAreTrustedBesideItsFile) {
  UseCa();
  SetOwn(NodePem());
  TlsSecrets own;
  own[NodeIdentity(*bootstrap_.ca)].certificate = config::TlsCertificateSource{
      .chain = {.filename = "", .text = "c"}, .key = {.filename = "", .text = "k"}};
  own[kOwnRoots].trusted_ca.text = "fresh";
  const auto pem = ReadAdsPem({}, &*bootstrap_.ca, own);
  ASSERT_TRUE(pem.ok()) << pem.status();
  EXPECT_EQ(pem->roots, Cat(ca::ToPem(ca_.roots()), "\nfresh"));
  EXPECT_EQ(pem->chain, "c");
  AdsTls file;
  file.roots_path = Path("roots");  // Pilot's are another authority's
  EXPECT_EQ(ReadAdsPem(file, &*bootstrap_.ca, own)->roots, ca::ToPem(ca_.roots()));
}

}  // namespace
}  // namespace meltemi::agent
