#include "ca/options.h"

#include <gtest/gtest.h>

#include "ca/pages.h"
#include "ca/testing/memory_files.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

TEST(Options, DefaultsAreSafe) {
  const auto options = ParseOptions({}, "");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->ttl.standard, absl::Hours(24));
  EXPECT_EQ(options->authority.rotation.distribute, absl::Hours(1080));  // half of the longest life
  EXPECT_EQ(options->authority.rotation.retire, absl::Hours(2160));
  EXPECT_EQ(options->node_accounts.size(), 2u);
  EXPECT_EQ(options->token_audiences, std::vector<std::string>{"istio-ca"});
}

TEST(Options, MistakesAreNamed) {
  struct Row {
    std::string FlagValues::*flag;
    const char* value;
    const char* why;
  };
  const Row kRows[] = {
      {&FlagValues::trust_domain, "A", "not a trust domain: \"A\""},
      {&FlagValues::trust_domain_aliases, "a,B", "not a trust domain: \"B\""},
      {&FlagValues::workload_ttl, "1", "--workload-ttl: \"1\" is no time such as 24h or 30m"},
      {&FlagValues::workload_ttl, "9999h", "--workload-ttl is longer than --max-workload-ttl"},
      {&FlagValues::workload_ttl, "30s", "--workload-ttl is shorter than --min-workload-ttl"},
      {&FlagValues::root_ttl, "-1h", "--root-ttl: \"-1h\" is no time such as 24h or 30m"},
      {&FlagValues::retire_time, "x", "--retire-time: \"x\" is no time such as 24h or 30m"},
      {&FlagValues::log_sync, "x", "--log-sync: \"x\" is not always, second or never"},
      {&FlagValues::node_accounts, "x", "--node-accounts: not NAMESPACE/ACCOUNT: \"x\""},
  };
  for (const Row& row : kRows) {
    FlagValues values;
    values.*row.flag = row.value;
    EXPECT_EQ(ParseOptions(values, "").status().message(), row.why);
  }
  FlagValues both{.token_jwks = "a", .token_review = "b"};
  EXPECT_FALSE(ParseOptions(both, "").ok());
}

TEST(Options, AFileOfFlagsIsReadAsFlags) {
  const auto args =
      ArgumentsOfFile("# comment\n\n trust-domain : a.b\ngrpc-addr: [::]:1\nforce:\n");
  ASSERT_TRUE(args.ok());
  EXPECT_EQ(*args,
            (std::vector<std::string>{"--trust-domain=a.b", "--grpc-addr=[::]:1", "--force="}));
  EXPECT_EQ(ArgumentsOfFile("a: b\nnonsense").status().message(), "line 2: not \"flag: value\"");
  EXPECT_FALSE(ArgumentsOfFile("config: x").ok());
}

TEST(Pages, DatesAreWrittenOut) {
  testing::MemoryFiles files;
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const auto authority = Authority::Open(
      {.folder = "/d", .root = {.trust_domain = "d", .ttl = absl::Hours(24 * 10)}}, &files,
      [=] { return now; }, [](absl::Span<uint8_t> b) { std::fill(b.begin(), b.end(), 1); },
      [](const std::string&, const absl::Status&) {});
  ASSERT_TRUE(authority.ok()) << authority.status();
  const std::string text = ExpiryMetrics(*(*authority)->current(), now + absl::Hours(12), now);
  for (const char* line : {"\ncitadel_server_root_cert_expiry_timestamp 1700864000\n",
                           "\ncitadel_server_root_cert_expiry_seconds 864000\n",
                           "\ncitadel_server_cert_chain_expiry_timestamp 1700864000\n",
                           "\nmeltemi_ca_days_to_expiry{certificate=\"root\"} 10.000\n",
                           "\nmeltemi_ca_days_to_expiry{certificate=\"leaf\"} 0.500\n",
                           "\nmeltemi_ca_rotation_phase{phase=\"steady\"} 1\n",
                           "\nmeltemi_ca_rotation_phase{phase=\"switched\"} 0\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(StatusText(*(*authority)->current(), now),
            "phase: steady since 2023-11-14T22:13:20Z\n"
            "signs: generation 1, \"meltemi root 01010101\", ends 2023-11-24T22:13:20Z (10.0 "
            "days)\ntrusted roots: 1\nnext step: begin, by itself at 2023-11-19T22:12:20Z\n");
}

}  // namespace
}  // namespace meltemi::ca
