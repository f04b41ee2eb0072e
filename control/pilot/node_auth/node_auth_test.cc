// Goal: a peer is the node that its certificate says, or nobody; and what Pilot shows follows its
// files, but never into something unusable. Method: a CA in the test, files in memory, a clock by
// hand.
#include "control/pilot/node_auth/node_auth.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "ca/issuer/issuer.h"
#include "ca/testing/make_csr.h"
#include "ca/testing/memory_files.h"
#include "ca/x509/certificate.h"
#include "l7/base/text.h"

namespace meltemi::control::pilot::node_auth {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const ca::Identity kNodes = {"cluster.local", "meltemi-system", "meltemi-node"};
constexpr char kCert[] = "cert", kKey[] = "key", kRoots[] = "roots";

void FillSevens(absl::Span<uint8_t> bytes) {
  for (uint8_t& b : bytes) b = 7;
}

ca::SigningCa NewCa() {
  const auto root = ca::MakeSelfSignedRoot({.trust_domain = "cluster.local"}, kNow, FillSevens);
  return *ca::SigningCa::Load(*root, "");
}

class NodeAuthTest : public ::testing::Test {
 protected:
  NodeAuthTest() {
    Serve(ca_);
    files_.content()[kRoots] = ca::ToPem(ca_.roots());
  }
  std::string Leaf(const ca::SigningCa& by, EVP_PKEY* key, ca::LeafOptions options) const {
    options.ttl = absl::Hours(1);
    return ca::IssueLeaf(by, key, options, now_, FillSevens)->pem;
  }
  std::string Leaf(const ca::SigningCa& by, ca::LeafOptions options) const {
    return Leaf(by, ca::testing::NewKey().get(), std::move(options));
  }
  void Serve(const ca::SigningCa& by) {
    const ca::KeyPtr key = ca::testing::NewKey();
    files_.content()[kCert] =
        Leaf(by, key.get(), {.identity = {"cluster.local", "s", "pilot"}, .dns_names = {"pilot"}});
    files_.content()[kKey] = *ca::PrivateKeyToPem(key.get(), "");
  }
  absl::StatusOr<std::unique_ptr<NodeAuth>> Open() {
    return NodeAuth::Open({.cert_path = kCert,
                           .key_path = kKey,
                           .roots_path = kRoots,
                           .node_accounts = {kNodes},
                           .domains = *ca::TrustDomains::Make("cluster.local", {"old.local"})},
                          &files_, [this] { return now_; });
  }

  absl::Time now_ = kNow;
  const ca::SigningCa ca_ = NewCa(), other_ = NewCa();
  ca::testing::MemoryFiles files_;
};

TEST_F(NodeAuthTest, ANodeIsWhoItsCertificateNames) {
  const auto auth = *Open();
  const auto node = auth->Prove(Leaf(ca_, {.identity = kNodes, .node = "node-a"}));
  ASSERT_TRUE(node.ok()) << node.status();
  EXPECT_EQ(node->name, "node-a");
  EXPECT_EQ(node->not_after, kNow + absl::Hours(1));
  ca::Identity old = kNodes;
  old.trust_domain = "old.local";
  EXPECT_EQ(auth->Prove(Leaf(ca_, {.identity = old, .node = "node-b"}))->name, "node-b");
}

TEST_F(NodeAuthTest, NobodyElseIsANode) {
  const auto auth = *Open();
  const ca::Identity workload = {"cluster.local", "shop", "reviews"};
  const std::string late = Leaf(ca_, {.identity = kNodes, .node = "node-a"});
  const struct {
    const char* name;
    std::string chain;
    absl::Duration later;
    absl::StatusCode code;
    const char* says;
  } rows[] = {
      {"none", "", {}, absl::StatusCode::kUnauthenticated, "no client certificate"},
      {"no PEM", "hello", {}, absl::StatusCode::kUnauthenticated, "client certificate"},
      {"foreign root",
       Leaf(other_, {.identity = kNodes, .node = "node-a"}),
       {},
       absl::StatusCode::kUnauthenticated,
       "issuer"},
      {"ended", late, absl::Hours(2), absl::StatusCode::kUnauthenticated, "expired"},
      {"a workload",
       Leaf(ca_, {.identity = workload}),
       {},
       absl::StatusCode::kPermissionDenied,
       "no account of nodes"},
      {"a workload with a node",
       Leaf(ca_, {.identity = workload, .node = "node-a"}),
       {},
       absl::StatusCode::kPermissionDenied,
       "no account of nodes"},
      {"no name",
       Leaf(ca_, {.identity = kNodes}),
       {},
       absl::StatusCode::kPermissionDenied,
       "names no node"},
      {"foreign domain",
       Leaf(ca_, {.identity = {"evil.local", kNodes.ns, kNodes.service_account}, .node = "node-a"}),
       {},
       absl::StatusCode::kPermissionDenied,
       "evil.local"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    now_ = kNow + row.later;
    const auto node = auth->Prove(row.chain);
    EXPECT_EQ(node.status().code(), row.code);
    EXPECT_TRUE(absl::StrContains(node.status().message(), row.says)) << node.status();
  }
}

TEST_F(NodeAuthTest, FilesAreFollowedWhenTheyChange) {
  const auto auth = *Open();
  const Serving first = auth->Get();
  EXPECT_EQ(first.version, 1u);
  EXPECT_EQ(auth->Get().version, 1u);
  Serve(ca_);
  EXPECT_EQ(auth->Get().version, 2u);
  EXPECT_EQ(auth->Get().chain, files_.content()[kCert]);
  const std::string theirs = Leaf(other_, {.identity = kNodes, .node = "node-a"});
  EXPECT_FALSE(auth->Prove(theirs).ok());
  files_.content()[kRoots] += ca::ToPem(other_.roots());
  EXPECT_EQ(auth->Get().version, 3u);
  EXPECT_TRUE(auth->Prove(theirs).ok());
}

TEST_F(NodeAuthTest, WhatIsBrokenLeavesTheLastGoodInForce) {
  const auto auth = *Open();
  const Serving good = auth->Get();
  const auto content = files_.content();
  const ca::KeyPtr another = ca::testing::NewKey();
  const struct {
    const char* name;
    const char* file;
    std::string text;
    const char* says;
  } rows[] = {
      {"key of another", kKey, *ca::PrivateKeyToPem(another.get(), ""), "is not the key of"},
      {"no key", kKey, "", "key"},
      {"no certificate", kCert, "x", "cert"},
      {"no roots", kRoots, "", "roots"},
      {"too large", kRoots, std::string(256 * 1024 + 1, ' '), "too large"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    files_.content() = content;
    files_.content()[row.file] = row.text;
    EXPECT_EQ(auth->Get().version, good.version);
    EXPECT_EQ(auth->Get().chain, good.chain);
    const auto fresh = Open();  // a Pilot that starts with it says so instead
    EXPECT_TRUE(absl::StrContains(fresh.status().message(), row.says)) << fresh.status();
  }
  files_.content() = content;
  files_.Expose(kKey);
  EXPECT_EQ(auth->Get().version, good.version);
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ParseNodeAccounts, TakesBothSpellings) {
  const auto domains = *ca::TrustDomains::Make("cluster.local", {"old.local"});
  const auto one = ParseNodeAccounts(domains, "meltemi-system/meltemi-node");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(*one, std::set<ca::Identity>{kNodes});
  EXPECT_EQ(
      *ParseNodeAccounts(domains, "spiffe://old.local/ns/meltemi-system/sa/meltemi-node,other/one"),
      (std::set<ca::Identity>{kNodes, {"cluster.local", "other", "one"}}));
  EXPECT_FALSE(ParseNodeAccounts(domains, "nobody").ok());
  EXPECT_FALSE(ParseNodeAccounts(domains, "spiffe://else.local/ns/a/sa/b").ok());
}

}  // namespace
}  // namespace meltemi::control::pilot::node_auth
