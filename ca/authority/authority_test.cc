#include "ca/authority/authority.h"

#include <gtest/gtest.h>

#include "ca/testing/make_csr.h"
#include "ca/testing/memory_files.h"
#include "ca/x509/certificate.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class AuthorityTest : public ::testing::Test {
 protected:
  AuthorityOptions Options() {
    return {.folder = "/d",
            .root = {.trust_domain = "cluster.local", .ttl = 100 * kDay},
            .rotation = {.distribute = 2 * kDay, .retire = 4 * kDay}};
  }
  absl::StatusOr<std::unique_ptr<Authority>> TryOpen(AuthorityOptions options) {
    return Authority::Open(
        std::move(options), &files_, [this] { return now_; },
        [this](absl::Span<uint8_t> bytes) {
          for (uint8_t& b : bytes) b = ++random_;
        },
        [this](const std::string& what, const absl::Status& status) {
          told_.push_back(status.ok() ? what : Cat(what, ": ", status.message()));
        });
  }
  std::unique_ptr<Authority> Open() {
    auto opened = TryOpen(Options());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  // A leaf by the CA as it is now; false when the trusted set `by` does not lead to it.
  std::string Leaf(const Authority& authority) {
    const auto leaf = IssueLeaf(*authority.current()->active, testing::NewKey().get(),
                                {.identity = {"cluster.local", "n", "s"}, .ttl = kDay}, now_,
                                [](absl::Span<uint8_t> b) { std::fill(b.begin(), b.end(), 1); });
    EXPECT_TRUE(leaf.ok()) << leaf.status();
    return leaf->pem;
  }
  bool Trusts(const std::string& bundle, const std::string& leaf) {
    const auto roots = CertificatesFromPem(bundle);
    const auto c = CertificateFromPem(leaf);
    return VerifyChain(c->get(), {}, *roots, ChainUse::kClient, now_).ok();
  }

  testing::MemoryFiles files_;
  absl::Time now_ = kStart;
  uint8_t random_ = 0;
  std::vector<std::string> told_;
};

TEST_F(AuthorityTest, TheSameCaAfterARestart) {
  const std::string first = Open()->current()->trusted_pem;
  EXPECT_EQ(told_, std::vector<std::string>{"made a root certificate"});
  EXPECT_EQ(Open()->current()->trusted_pem, first);
  EXPECT_EQ(told_.size(), 1u);
}

TEST_F(AuthorityTest, ABrokenStateIsNotReplaced) {
  Open();
  files_.content()["/d/state"] = "{";
  EXPECT_FALSE(TryOpen(Options()).ok());
  EXPECT_EQ(files_.content()["/d/state"], "{");
  files_.content().erase("/d/state");
  files_.content().erase("/d/gen-1/ca-key.pem");
  AuthorityOptions options = Options();
  options.when_empty = AuthorityOptions::WhenEmpty::kFail;
  EXPECT_EQ(TryOpen(options).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(AuthorityTest, RotatesByHand) {
  const auto ca = Open();
  const std::string old_bundle = ca->current()->trusted_pem, old_leaf = Leaf(*ca);
  EXPECT_EQ(ca->Switch(Authority::Pace::kNow).message(), "cannot switch while steady");
  ASSERT_TRUE(ca->Begin(std::nullopt).ok());
  EXPECT_EQ(ca->Begin(std::nullopt).message(), "a rotation is under way already: distributing");
  const std::string both = ca->current()->trusted_pem;
  EXPECT_TRUE(Trusts(both, old_leaf));
  EXPECT_TRUE(Trusts(old_bundle, Leaf(*ca)));  // who has not heard yet trusts what is signed now
  EXPECT_EQ(ca->Switch(Authority::Pace::kWhenDue).code(), absl::StatusCode::kFailedPrecondition);
  now_ += 2 * kDay;
  ASSERT_TRUE(ca->Switch(Authority::Pace::kWhenDue).ok());
  const std::string new_leaf = Leaf(*ca);
  EXPECT_TRUE(Trusts(both, new_leaf));
  EXPECT_FALSE(Trusts(old_bundle, new_leaf));
  EXPECT_EQ(ca->current()->trusted.size(), 2u);
  EXPECT_EQ(ca->Retire(Authority::Pace::kWhenDue).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(ca->Retire(Authority::Pace::kNow).ok());
  EXPECT_EQ(ca->current()->trusted.size(), 1u);
  EXPECT_TRUE(Trusts(ca->current()->trusted_pem, new_leaf));
  EXPECT_FALSE(Trusts(ca->current()->trusted_pem, old_leaf));
  EXPECT_FALSE(files_.content().contains("/d/gen-1/ca-key.pem"));
}

// Goal: left alone for two years, the CA never has a moment without a valid root, and whoever
// renews once a day always trusts what anybody else was given a day ago. Method: days.
TEST_F(AuthorityTest, RotatesByItselfForYears) {
  const auto ca = Open();
  std::string bundle = ca->current()->trusted_pem, leaf = Leaf(*ca);
  int rotations = 0;
  Phase before = Phase::kSteady;
  for (int day = 0; day < 730; ++day) {
    now_ += kDay - absl::Minutes(1);
    ca->Tick();
    const Phase phase = ca->current()->state.phase;
    rotations += phase == Phase::kDistributing && before == Phase::kSteady ? 1 : 0;
    before = phase;
    const std::string fresh = Leaf(*ca);
    ASSERT_TRUE(Trusts(bundle, fresh)) << "day " << day;           // old bundle, new certificate
    ASSERT_TRUE(Trusts(ca->current()->trusted_pem, leaf)) << day;  // new bundle, old certificate
    leaf = fresh;
    bundle = ca->current()->trusted_pem;
  }
  EXPECT_GT(rotations, 6);
  EXPECT_LT(rotations, 11);
}

TEST_F(AuthorityTest, TheServerTakesOverWhatACommandDid) {
  const auto server = Open();
  const auto command = Open();
  ASSERT_TRUE(command->Begin(std::nullopt).ok());
  EXPECT_EQ(server->current()->state.phase, Phase::kSteady);
  server->Tick();
  EXPECT_EQ(server->current()->state.phase, Phase::kDistributing);
  EXPECT_EQ(told_.back(), "took over from the folder: distributing, generation 1 signs");
  ASSERT_TRUE(server->Switch(Authority::Pace::kNow).ok());
  // The command looks at the disk before it acts.
  EXPECT_EQ(command->Switch(Authority::Pace::kNow).message(), "cannot switch while switched");
}

TEST_F(AuthorityTest, AFullDiskChangesNothingAndIsToldOnce) {
  const auto ca = Open();
  now_ += 85 * kDay;
  for (int writes = 0; writes < 8; ++writes) {
    files_.FailWritesAfter(writes);
    told_.clear();
    ca->Tick();
    ca->Tick();
    ASSERT_EQ(ca->current()->state.phase, Phase::kSteady) << writes;
    EXPECT_EQ(told_.size() <= 2, true);
    for (const std::string& text : told_) {
      EXPECT_NE(text.find("No space left"), std::string::npos) << text;
    }
    EXPECT_FALSE(Leaf(*ca).empty());
  }
  files_.FailWritesAfter(-1);
  ca->Tick();
  EXPECT_EQ(ca->current()->state.phase, Phase::kDistributing);
}

TEST_F(AuthorityTest, AnUnreadableStateKeepsTheLastInForce) {
  const auto ca = Open();
  const std::string good = files_.content()["/d/state"];
  files_.content()["/d/state"] = "{";
  told_.clear();
  ca->Tick();
  ca->Tick();
  EXPECT_EQ(told_.size(), 1u);
  EXPECT_FALSE(Leaf(*ca).empty());
  EXPECT_FALSE(ca->Begin(std::nullopt).ok());
  files_.content()["/d/state"] = good;
  EXPECT_TRUE(ca->Begin(std::nullopt).ok());
}

class PluggedTest : public AuthorityTest {
 protected:
  void Plug(const CaMaterial& m) {
    files_.content()["/c/ca-cert.pem"] = m.ca_cert;
    files_.content()["/c/ca-key.pem"] = m.ca_key;
    files_.content()["/c/root-cert.pem"] = m.root_cert;
    files_.content()["/c/cert-chain.pem"] = m.cert_chain;
  }
  CaMaterial NewRoot() {
    return *MakeSelfSignedRoot({.trust_domain = "plugged", .ttl = 100 * kDay}, now_,
                               [this](absl::Span<uint8_t> bytes) {
                                 for (uint8_t& b : bytes) b = ++random_;
                               });
  }
  std::unique_ptr<Authority> OpenPlugged() {
    AuthorityOptions options = Options();
    options.cacerts = "/c";
    auto opened = TryOpen(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
};

TEST_F(PluggedTest, FollowsTheFolderAndAsksForTheNext) {
  const CaMaterial first = NewRoot();
  Plug(first);
  const auto ca = OpenPlugged();
  EXPECT_EQ(ca->current()->active_pem, first.ca_cert);
  EXPECT_EQ(ca->current()->origin, Origin::kPlugged);
  EXPECT_EQ(ca->Begin(std::nullopt).code(), absl::StatusCode::kFailedPrecondition);
  now_ += 85 * kDay;  // it would be time for the next one, which only the operator can make
  told_.clear();
  ca->Tick();
  ca->Tick();
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].rfind("rotation cannot begin: the CA's certificate was plugged in", 0), 0u);
  const CaMaterial second = NewRoot();
  Plug(second);
  ca->Tick();
  EXPECT_EQ(ca->current()->state.phase, Phase::kDistributing);
  now_ += 2 * kDay;
  ca->Tick();
  EXPECT_EQ(ca->current()->active_pem, second.ca_cert);
  now_ += 4 * kDay;
  ca->Tick();
  EXPECT_EQ(ca->current()->state.phase, Phase::kSteady);
  Plug(first);  // an old one changes nothing
  ca->Tick();
  EXPECT_EQ(ca->current()->state.phase, Phase::kSteady);
}

TEST_F(PluggedTest, WhatDoesNotFitIsToldAndChangesNothing) {
  Plug(NewRoot());
  const auto ca = OpenPlugged();
  now_ += kDay;
  CaMaterial bad = NewRoot();
  bad.ca_key = NewRoot().ca_key;
  Plug(bad);
  told_.clear();
  ca->Tick();
  EXPECT_EQ(told_, std::vector<std::string>{"the cacerts folder cannot be used: ca-key.pem is not "
                                            "the key of ca-cert.pem"});
  EXPECT_EQ(ca->current()->state.phase, Phase::kSteady);
  files_.content().erase("/c/ca-cert.pem");
  ca->Tick();
  EXPECT_EQ(ca->current()->state.phase, Phase::kSteady);
}

TEST_F(PluggedTest, AFolderThatIsGoneKeepsNoRotationFromGoingOn) {
  Plug(NewRoot());
  const auto ca = OpenPlugged();
  now_ += kDay;
  const CaMaterial second = NewRoot();
  Plug(second);
  ca->Tick();
  ASSERT_EQ(ca->current()->state.phase, Phase::kDistributing);
  files_.content().erase("/c/ca-cert.pem");
  now_ += 2 * kDay;
  ca->Tick();
  EXPECT_EQ(ca->current()->active_pem, second.ca_cert);
}

// Two bundles of one root: what an operator does to replace an intermediate. The root is trusted by
// all, so nothing has to be waited for.
TEST_F(PluggedTest, ARootThatIsTrustedNeedsNoDistributing) {
  const CaMaterial first = NewRoot(), second = NewRoot();
  CaMaterial with_both = first;
  with_both.root_cert = first.root_cert + second.root_cert;
  Plug(with_both);
  const auto ca = OpenPlugged();
  ASSERT_TRUE(ca->Begin(second).ok());
  EXPECT_TRUE(ca->Switch(Authority::Pace::kWhenDue).ok());
  EXPECT_EQ(ca->current()->active_pem, second.ca_cert);
}

}  // namespace
}  // namespace meltemi::ca
