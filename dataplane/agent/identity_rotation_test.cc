// Goal: over 200 days, with roots that live 60 days, no two nodes ever fail to trust each other,
// while the CA is restarted, is away for hours, and has a full disk now and then. Method: the real
// CA (keystore in memory) and the real state machines of three nodes, hour by hour; every twelve
// hours each node's certificates are verified with each node's roots.
#include <gtest/gtest.h>

#include "ca/authn/jwks_verifier.h"
#include "ca/service/certificate_handler.h"
#include "ca/testing/memory_files.h"
#include "ca/x509/certificate.h"
#include "dataplane/agent/identity_state.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/signing_for_test.h"

namespace meltemi::agent {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

// Every node runs everything: binding has its own tests.
class EverythingEverywhere final : public ca::NodeBinding {
 public:
  bool Runs(const std::string&, const std::string&, const std::string&) override { return true; }
  std::string NodeOfPod(const std::string&, const std::string&, const std::string&) override {
    return "";
  }
};

class Mesh {
 public:
  Mesh() {
    files_.content()["/jwks"] = signer_.Jwks();
    StartCa();
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      nodes_.emplace_back(IdentityState::Options{}, seed);
      nodes_.back().SetLocal({Uri("a"), Uri("b")});
      Ask(&nodes_.back(), 0);
    }
  }
  static std::string Uri(const std::string& account) {
    return "spiffe://cluster.local/ns/shop/sa/" + account;
  }

  void StartCa() {
    handler_.reset();
    authority_ = *ca::Authority::Open({.folder = "/d",
                                       .root = {.trust_domain = "cluster.local", .ttl = 60 * kDay},
                                       .rotation = {.distribute = 2 * kDay, .retire = 2 * kDay}},
                                      &files_, clock_, entropy_,
                                      [](const std::string&, const absl::Status&) {});
    tokens_ = *ca::JwksVerifier::Open(&files_, {.path = "/jwks"}, domains_, clock_());
    log_ = *ca::IssuanceLog::Open(&files_, "/d/log", ca::SyncPolicy::kNever);
    handler_ = std::make_unique<ca::CertificateHandler>(ca::CertificateHandler::Options{
        .domains = domains_,
        .node_accounts = {{"cluster.local", "meltemi-system", "meltemi-node"}},
        .tokens = tokens_.get(),
        .join_tokens = &join_,
        .nodes = &nodes_binding_,
        .authority = authority_.get(),
        .log = log_.get(),
        .metrics = &metrics_,
        .failures = &failures_,
        .clock = clock_,
        .entropy = entropy_});
  }

  // One hour: the CA looks after itself, the nodes ask for what is due.
  void Hour() {
    now_ += absl::Hours(1);
    ++hours_;
    files_.content()["/d/log"].clear();
    files_.FailWritesAfter(chance_.Chance(1, 20) ? static_cast<int>(chance_.Below(10)) : -1);
    if (chance_.Chance(1, 50)) {
      files_.FailWritesAfter(-1);
      StartCa();
    }
    away_ = away_ > 0 ? away_ - 1 : (chance_.Chance(1, 200) ? 8 : 0);
    if (away_ == 0) authority_->Tick();
    for (IdentityState& node : nodes_) {
      // The last hour's failures have waited long enough; twice, so that a failure is made good.
      for (int round = 0; round < 2; ++round) Ask(&node, round);
    }
    phases_[static_cast<int>(authority_->current()->state.phase)] += 1;
  }

  IdentityNow Now(int round) const {
    return {Instant::FromNanos(0) + Duration::Seconds(hours_ * 3600 + round * 100),
            {absl::ToUnixSeconds(now_)}};
  }

  std::string Token() const {
    return signer_.Sign(Cat(R"({"exp":)", absl::ToUnixSeconds(now_) + 600,
                            R"(,"sub":"system:serviceaccount:meltemi-system:meltemi-node",)",
                            R"("kubernetes.io":{"node":{"name":"n"}}})"));
  }

  void Ask(IdentityState* node, int round) {
    for (const auto& request : node->Poll(Now(round), std::nullopt)) {
      ++asked_;
      absl::StatusOr<std::vector<std::string>> answer = absl::UnavailableError("away");
      if (away_ == 0) {
        const auto reply = handler_->Handle(
            {.bearer = Token()}, {.csr = request.csr_pem, .impersonated = request.identity});
        if (reply.ok()) {
          answer = std::vector<std::string>{reply->leaf_pem, reply->trusted_pem};
        } else {
          answer = reply.status();
        }
      }
      failed_ += node->OnAnswer(request.id, answer, Now(round)).ok() ? 0 : 1;
    }
  }

  // Each certificate with each node's roots.
  void CheckTrust() {
    for (const IdentityState& server : nodes_) {
      for (const char* account : {"a", "b"}) {
        const auto credential = server.Get(Uri(account), Now(1));
        ASSERT_TRUE(credential.ok()) << credential.status() << " hour " << hours_;
        const auto leaf = ca::CertificatesFromPem((*credential)->chain.chain_pem);
        for (const IdentityState& client : nodes_) {
          const auto roots = ca::CertificatesFromPem(client.trusted_pem());
          const absl::Status trusted =
              ca::VerifyChain(leaf->front().get(), {}, *roots, ca::ChainUse::kClient, now_);
          ASSERT_TRUE(trusted.ok()) << trusted << " hour " << hours_;
        }
      }
    }
  }

  int phases(ca::Phase phase) const { return phases_[static_cast<int>(phase)]; }
  int asked_ = 0, failed_ = 0;
  uint64_t generation() const { return authority_->current()->state.active; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  int64_t hours_ = 0;
  Prng chance_{7};
  int away_ = 0;
  int phases_[3] = {};
  ca::testing::MemoryFiles files_;
  ca::Clock clock_ = [this] { return now_; };
  Prng bytes_{9};
  ca::Entropy entropy_ = [this](absl::Span<uint8_t> out) {
    for (uint8_t& b : out) b = static_cast<uint8_t>(bytes_.Next());
  };
  ca::TrustDomains domains_ = *ca::TrustDomains::Make("cluster.local", {});
  policy::TestSigner signer_{"k"};
  control::common::Metrics metrics_;
  ca::Failures failures_;
  ca::JoinTokens join_{&files_, "/d/join-tokens"};
  EverythingEverywhere nodes_binding_;
  std::unique_ptr<ca::Authority> authority_;
  std::unique_ptr<ca::JwksVerifier> tokens_;
  std::unique_ptr<ca::IssuanceLog> log_;
  std::unique_ptr<ca::CertificateHandler> handler_;
  std::vector<IdentityState> nodes_;
};

TEST(IdentityRotation, NobodyIsEverDistrusted) {
  Mesh mesh;
  for (int hour = 0; hour < 200 * 24; ++hour) {
    mesh.Hour();
    if (hour % 12 == 0) mesh.CheckTrust();
    if (::testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(mesh.generation(), 3u);
  EXPECT_GT(mesh.phases(ca::Phase::kDistributing), 3 * 40);
  EXPECT_GT(mesh.phases(ca::Phase::kSwitched), 3 * 40);
  EXPECT_GT(mesh.asked_, 6 * 2 * 150);
  EXPECT_GT(mesh.failed_, 10);  // there was trouble, or this shows nothing
}

}  // namespace
}  // namespace meltemi::agent
