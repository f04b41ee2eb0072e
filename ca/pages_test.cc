// Goal: what an operator is to be warned of is said in time. Method: a CA of a plugged-in
// certificate of 100 days, which only the operator can replace, and one of its own root, by a
// virtual clock.
#include "ca/pages.h"

#include <gtest/gtest.h>

#include "ca/testing/memory_files.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

class PagesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Authority> Open(const std::string& cacerts) {
    auto opened = Authority::Open(
        {.folder = "/d",
         .cacerts = cacerts,
         .root = {.trust_domain = "cluster.local", .ttl = 100 * kDay},
         .rotation = {.distribute = 2 * kDay, .retire = 4 * kDay}},
        &files_, [this] { return now_; }, entropy_, [](const std::string&, const absl::Status&) {});
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  void Plug() {
    const auto m = MakeSelfSignedRoot({.trust_domain = "d", .ttl = 100 * kDay}, now_, entropy_);
    files_.content()["/c/ca-cert.pem"] = m->ca_cert;
    files_.content()["/c/ca-key.pem"] = m->ca_key;
    files_.content()["/c/root-cert.pem"] = m->root_cert;
    files_.content()["/c/cert-chain.pem"] = m->cert_chain;
  }
  bool Says(const Authority& ca, const std::string& line) {
    return Cat("\n", ExpiryMetrics(*ca.current(), now_ + kDay / 2, now_))
               .find(Cat("\n", line, "\n")) != std::string::npos;
  }
  std::string Status(const Authority& ca) { return StatusText(*ca.current(), now_); }

  testing::MemoryFiles files_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  uint8_t random_ = 0;
  Entropy entropy_ = [this](absl::Span<uint8_t> bytes) {
    for (uint8_t& b : bytes) b = ++random_;
  };
};

TEST_F(PagesTest, APluggedCertificateThatIsDueIsOverdueUntilTheNextOneIsThere) {
  Plug();
  const auto ca = Open("/c");
  EXPECT_TRUE(Says(*ca, "meltemi_ca_rotation_overdue 0"));
  EXPECT_TRUE(Says(*ca, "meltemi_ca_days_to_expiry{certificate=\"root\"} 100.000"));
  EXPECT_TRUE(Says(*ca, "meltemi_ca_days_to_expiry{certificate=\"issuer\"} 100.000"));
  EXPECT_TRUE(Says(*ca, "meltemi_ca_days_to_expiry{certificate=\"leaf\"} 0.500"));
  const absl::Time due = ca->current()->next.due;
  EXPECT_GT(due, now_ + 40 * kDay);
  EXPECT_LE(due, now_ + 80 * kDay);
  now_ = due - absl::Seconds(1);
  ca->Tick();
  EXPECT_TRUE(Says(*ca, "meltemi_ca_rotation_overdue 0"));
  now_ = due;
  ca->Tick();
  EXPECT_TRUE(Says(*ca, "meltemi_ca_rotation_overdue 1"));
  EXPECT_NE(Status(*ca).find(", by the operator before "), std::string::npos);
  Plug();
  ca->Tick();
  EXPECT_TRUE(Says(*ca, "meltemi_ca_rotation_overdue 0"));
  EXPECT_TRUE(Says(*ca, "meltemi_ca_rotation_phase{phase=\"distributing\"} 1"));
  now_ += 2 * kDay;
  ca->Tick();
  EXPECT_TRUE(Says(*ca, "meltemi_ca_days_to_expiry{certificate=\"issuer\"} 98.000"));
}

TEST_F(PagesTest, ARootOfOurOwnIsNeverOverdue) {
  const auto ca = Open("");
  now_ = ca->current()->next.due + kDay;
  EXPECT_TRUE(Says(*ca, "meltemi_ca_rotation_overdue 0"));
  EXPECT_NE(Status(*ca).find(", by itself at "), std::string::npos);
}

}  // namespace
}  // namespace meltemi::ca
