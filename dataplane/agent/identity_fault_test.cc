// Goal: whatever goes wrong between a node and its CA, the error says what, the old certificate
// stays in force, and both sides' metrics and pages say so until it is over. Method: the real state
// machine, pages and CA (keystore in memory), clocks turned by hand; one table of faults, each at
// the first renewal of a certificate.
#include <gtest/gtest.h>

#include <functional>

#include "ca/authn/jwks_verifier.h"
#include "ca/service/certificate_handler.h"
#include "ca/testing/memory_files.h"
#include "dataplane/agent/identity_page.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/signing_for_test.h"

namespace meltemi::agent {
namespace {

using Answer = absl::StatusOr<std::vector<std::string>>;
constexpr int64_t kStart = 1'700'000'000;  // 2023-11-14T22:13:20Z
const std::string kNode = "spiffe://cluster.local/ns/meltemi-system/sa/meltemi-node";

class Pair {
 public:
  Pair() {
    files_.content()["/jwks"] = signer_.Jwks();
    tokens_ = *ca::JwksVerifier::Open(&files_, {.path = "/jwks"}, domains_, clock_());
    authority_ =
        *ca::Authority::Open({.folder = "/d", .root = {.trust_domain = "cluster.local"}}, &files_,
                             clock_, entropy_, [](const std::string&, const absl::Status&) {});
    log_ = *ca::IssuanceLog::Open(&files_, "/d/log", ca::SyncPolicy::kAlways);
    ca::CertificateHandler::DeclareMetrics(&metrics_);
    handler_ = std::make_unique<ca::CertificateHandler>(ca::CertificateHandler::Options{
        .domains = domains_,
        .node_accounts = {{"cluster.local", "meltemi-system", "meltemi-node"}},
        .tokens = tokens_.get(),
        .join_tokens = &join_,
        .nodes = &no_pods_,
        .authority = authority_.get(),
        .log = log_.get(),
        .metrics = &metrics_,
        .failures = &failures_,
        .clock = clock_,
        .entropy = entropy_});
    node_.SetLocal({kNode});
    token_ = Token(signer_, 600);
  }

  std::string Token(const policy::TestSigner& signer, int64_t seconds) const {
    return signer.Sign(Cat(R"({"exp":)", wall_ + seconds,
                           R"(,"sub":"system:serviceaccount:meltemi-system:meltemi-node"})"));
  }
  Answer AskCa(const std::string& csr) {
    const auto reply = handler_->Handle({.bearer = token_}, {.csr = csr});
    if (!reply.ok()) return reply.status();
    return std::vector<std::string>{reply->leaf_pem, reply->trusted_pem};
  }
  // The node asks once when it is time to; what became of that.
  absl::Status Renew(const std::function<Answer(const std::string& csr)>& ca) {
    const auto requests = node_.Poll(Now(), std::nullopt);
    if (requests.size() != 1) return absl::NotFoundError(Cat(requests.size(), " requests"));
    return node_.OnAnswer(requests[0].id, ca(requests[0].csr_pem), Now());
  }
  void Later(int64_t seconds) {
    wall_ += seconds;
    token_ = Token(signer_, 600);
  }
  IdentityNow Now() const {
    return {Instant::FromNanos(0) + Duration::Seconds(wall_ - kStart), {wall_}};
  }

  std::string Page() const { return IdentitiesJson(node_.Status(), {wall_}); }
  double Gauge(const std::string& name) const {
    for (const IdentityGauge& g : IdentityGauges(node_.Status(), node_.Credentials(), {wall_})) {
      if (g.name == name) return g.value;
    }
    return -1;
  }
  // A line of the CA's /metrics or /status.
  bool CaSays(const std::string& line) const {
    return Cat("\n", metrics_.Text(), failures_.Metrics(), failures_.Text()).find("\n" + line) !=
           std::string::npos;
  }

  int64_t wall_ = kStart;
  ca::testing::MemoryFiles files_;
  ca::Clock clock_ = [this] { return absl::FromUnixSeconds(wall_); };
  Prng bytes_{9};
  ca::Entropy entropy_ = [this](absl::Span<uint8_t> out) {
    for (uint8_t& b : out) b = static_cast<uint8_t>(bytes_.Next());
  };
  ca::TrustDomains domains_ = *ca::TrustDomains::Make("cluster.local", {});
  policy::TestSigner signer_{"k"};
  control::common::Metrics metrics_;
  ca::Failures failures_;
  ca::JoinTokens join_{&files_, "/d/join-tokens"};
  ca::NoNodeBinding no_pods_;
  std::unique_ptr<ca::Authority> authority_;
  std::unique_ptr<ca::JwksVerifier> tokens_;
  std::unique_ptr<ca::IssuanceLog> log_;
  std::unique_ptr<ca::CertificateHandler> handler_;
  IdentityState node_{{}, 1};
  std::string token_;
};

struct Fault {
  const char* name;
  std::function<Answer(Pair* pair, const std::string& csr)> ca;
  std::string error;                  // what the node tells, a part of it
  std::vector<std::string> ca_lines;  // what the CA's pages have
};

std::vector<Fault> Faults() {
  const std::string refused = "citadel_server_authentication_failure_count 1\n";
  return {
      {"the CA is away",
       [](Pair*, const std::string&) -> Answer {
         return absl::UnavailableError("failed to connect to all addresses");
       },
       "failed to connect to all addresses",
       {"citadel_server_csr_count 1\n", "failures: none\n"}},
      {"the CA fails",
       [](Pair*, const std::string&) -> Answer { return absl::InternalError("out of order"); },
       "out of order",
       {"citadel_server_csr_count 1\n"}},
      {"the CA's disk is full",
       [](Pair* pair, const std::string& csr) {
         pair->files_.FailWritesAfter(0);
         Answer answer = pair->AskCa(csr);
         pair->files_.FailWritesAfter(-1);
         return answer;
       },
       "the issuance log cannot be written: writing /d/log: No space left on device",
       {"citadel_server_csr_sign_err_count{error=\"log\"} 1\n",
        "citadel_server_success_cert_issuance_count 1\n", "meltemi_ca_failing{part=\"log\"} 1\n",
        "log: failing since 2023-11-15T10:43:20Z: "}},
      {"a wrong token",
       [](Pair* pair, const std::string& csr) {
         pair->token_ = pair->Token(policy::TestSigner("k"), 600);  // another key of that name
         return pair->AskCa(csr);
       },
       "Jwt verification fails",
       {refused}},
      {"an expired token",
       [](Pair* pair, const std::string& csr) {
         pair->token_ = pair->Token(pair->signer_, -600);
         return pair->AskCa(csr);
       },
       "Jwt is expired",
       {refused}},
      {"a join token nobody knows",
       [](Pair* pair, const std::string& csr) {
         pair->token_ = "mjt1.0123456789abcdef.x";
         return pair->AskCa(csr);
       },
       "the join token is unknown, used or expired",
       {refused}},
      {"a garbage request",
       [](Pair* pair, const std::string&) { return pair->AskCa("garbage"); },
       "CSR: ",
       {"citadel_server_csr_parsing_err_count 1\n"}},
      {"a garbage answer",
       [](Pair*, const std::string&) -> Answer {
         return std::vector<std::string>{"garbage", "garbage"};
       },
       "certificate",
       {"citadel_server_csr_count 1\n"}},
  };
}

TEST(IdentityFault, EachIsToldAndTheOldCertificateStays) {
  for (const Fault& fault : Faults()) {
    SCOPED_TRACE(fault.name);
    Pair pair;
    const auto good = [&](const std::string& csr) { return pair.AskCa(csr); };
    ASSERT_TRUE(pair.Renew(good).ok());
    const IdentityCredentialPtr first = *pair.node_.Get(kNode, pair.Now());
    pair.Later(12 * 3600 + 1800);  // past half of its life, when the next is asked for

    const absl::Status failed =
        pair.Renew([&](const std::string& csr) { return fault.ca(&pair, csr); });
    EXPECT_NE(failed.message().find(Abs(fault.error)), absl::string_view::npos) << failed;
    EXPECT_EQ(*pair.node_.Get(kNode, pair.Now()), first);
    EXPECT_EQ(pair.Gauge("meltemi_identity_ready"), 1);
    EXPECT_EQ(pair.Gauge("meltemi_identity_failures_in_a_row"), 1);
    for (const char* part :
         {"\"state\":\"ready\"", "\"failures_in_a_row\":1,\"failures_total\":1,"}) {
      EXPECT_NE(pair.Page().find(part), std::string::npos) << part << pair.Page();
    }
    EXPECT_NE(pair.Page().find(fault.error), std::string::npos) << pair.Page();
    for (const std::string& line : fault.ca_lines) {
      EXPECT_TRUE(pair.CaSays(line)) << line << pair.metrics_.Text() << pair.failures_.Text();
    }

    pair.Later(2);  // it waits before it asks again; then all is well
    EXPECT_TRUE(pair.Renew(good).ok());
    EXPECT_NE(*pair.node_.Get(kNode, pair.Now()), first);
    EXPECT_EQ(pair.Gauge("meltemi_identity_failures_in_a_row"), 0);
    EXPECT_NE(pair.Page().find("\"failures_total\":1,\"last_failure\":\"\"}"), std::string::npos)
        << pair.Page();
    EXPECT_TRUE(pair.CaSays("meltemi_ca_failing{part=\"log\"} 0\n"));
  }
}

}  // namespace
}  // namespace meltemi::agent
