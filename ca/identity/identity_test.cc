#include "ca/identity/identity.h"

#include <gtest/gtest.h>

#include "ca/limits.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

TEST(Spiffe, RefusesEveryOtherSpelling) {
  const std::string_view kBad[] = {
      "",
      "spiffe://",
      "spiffe:///ns/n/sa/s",
      "SPIFFE://d/ns/n/sa/s",
      "https://d/ns/n/sa/s",
      "spiffe://D/ns/n/sa/s",
      "spiffe://d:1/ns/n/sa/s",
      "spiffe://u@d/ns/n/sa/s",
      "spiffe://d/ns/n/sa/s/",
      "spiffe://d/ns/n/sa/s/x",
      "spiffe://d//ns/n/sa/s",
      "spiffe://d/ns//sa/s",
      "spiffe://d/ns/n/sa/",
      "spiffe://d/ns/n/sa",
      "spiffe://d/sa/s/ns/n",
      "spiffe://d/ns/n/sa/s?x",
      "spiffe://d/ns/n/sa/s#x",
      "spiffe://d/ns/%6e/sa/s",
      "spiffe://d/ns/../sa/s",
      "spiffe://d/ns/N/sa/s",
      "spiffe://d/ns/n.m/sa/s",
      "spiffe://d/ns/-n/sa/s",
      "spiffe://d/ns/n-/sa/s",
      "spiffe://d/ns/n/sa/a..b",
      "spiffe://d/ns/n/sa/.a",
      "spiffe://d/ns/n/sa/a.",
      "spiffe://d/ns/n/sa/a.-b",
      "spiffe://d/ns/n/sa/a-.b",
      " spiffe://d/ns/n/sa/s",
      "spiffe://d/ns/n/sa/s\n",
  };
  for (const std::string_view uri : kBad) EXPECT_FALSE(ParseSpiffe(uri).ok()) << uri;
  EXPECT_FALSE(ParseSpiffe(std::string_view("spiffe://d/ns/n/sa/s\0", 21)).ok());
}

TEST(Spiffe, ReadsWhatItWrites) {
  const auto identity = ParseSpiffe("spiffe://cluster.local/ns/default/sa/bookinfo-reviews.v1");
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(*identity, (Identity{"cluster.local", "default", "bookinfo-reviews.v1"}));
  EXPECT_EQ(identity->Uri(), "spiffe://cluster.local/ns/default/sa/bookinfo-reviews.v1");
}

TEST(Spiffe, LengthsAreBounded) {
  const auto name = [](size_t n) { return std::string(n, 'a'); };
  EXPECT_TRUE(MakeIdentity(name(limits::kTrustDomainBytesMax), "n", "s").ok());
  EXPECT_FALSE(MakeIdentity(name(limits::kTrustDomainBytesMax + 1), "n", "s").ok());
  EXPECT_TRUE(MakeIdentity("d", name(limits::kNamespaceBytesMax), "s").ok());
  EXPECT_FALSE(MakeIdentity("d", name(limits::kNamespaceBytesMax + 1), "s").ok());
  EXPECT_TRUE(MakeIdentity("d", "n", name(limits::kServiceAccountBytesMax)).ok());
  EXPECT_FALSE(MakeIdentity("d", "n", name(limits::kServiceAccountBytesMax + 1)).ok());
}

TEST(Account, IsNamespaceAndName) {
  EXPECT_EQ(*ParseAccount("d", "n/s"), (Identity{"d", "n", "s"}));
  for (const std::string_view bad : {"", "n", "n/", "/s", "n/s/t"}) {
    EXPECT_FALSE(ParseAccount("d", bad).ok()) << bad;
  }
}

TEST(TrustDomains, AliasesAreTheSameIdentity) {
  const auto domains = TrustDomains::Make("new.example", {"cluster.local", "old.example"});
  ASSERT_TRUE(domains.ok());
  const Identity wanted{"new.example", "n", "s"};
  EXPECT_EQ(*domains->Canonical({"new.example", "n", "s"}), wanted);
  EXPECT_EQ(*domains->Canonical({"old.example", "n", "s"}), wanted);
  EXPECT_EQ(domains->Canonical({"evil.example", "n", "s"}).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_FALSE(TrustDomains::Make("Upper", {}).ok());
  EXPECT_FALSE(TrustDomains::Make("d", {""}).ok());
  const std::vector<std::string> many(limits::kTrustDomainAliasesMax + 1, "a");
  EXPECT_FALSE(TrustDomains::Make("d", many).ok());
}

}  // namespace
}  // namespace meltemi::ca
