#include <gtest/gtest.h>

#include "ca/authn/jwks_verifier.h"
#include "ca/service/certificate_handler.h"
#include "ca/service/serving_certificate.h"
#include "ca/testing/make_csr.h"
#include "ca/testing/memory_files.h"
#include "ca/x509/certificate.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/json.h"
#include "l7/policy/jwt/signing_for_test.h"

namespace meltemi::ca {
namespace {

using absl::StatusCode;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);
constexpr char kLog[] = "/d/issuance.log";

// One workload: what the registry would say.
class OneWorkload final : public NodeBinding {
 public:
  bool Runs(const std::string& node, const std::string& ns, const std::string& account) override {
    return node == "node-a" && ns == "shop" && account == "reviews";
  }
  std::string NodeOfPod(const std::string& ns, const std::string& pod,
                        const std::string&) override {
    return ns == "meltemi-system" && pod == "node-plane-x" ? "node-a" : "";
  }
};

class HandlerTest : public ::testing::Test {
 protected:
  HandlerTest() {
    files_.content()["/jwks"] = signer_.Jwks();
    auto tokens = JwksVerifier::Open(
        &files_, {.path = "/jwks", .required = {.issuer = "i", .audiences = {"istio-ca"}}},
        domains_, now_);
    tokens_ = *std::move(tokens);
    auto authority = Authority::Open(
        {.folder = "/d", .root = {.trust_domain = "cluster.local", .ttl = absl::Hours(24 * 365)}},
        &files_, clock_, entropy_, [](const std::string&, const absl::Status&) {});
    authority_ = *std::move(authority);
    log_ = *IssuanceLog::Open(&files_, kLog, SyncPolicy::kAlways);
    handler_ = std::make_unique<CertificateHandler>(CertificateHandler::Options{
        .domains = domains_,
        .node_accounts = {{"cluster.local", "meltemi-system", "meltemi-node"}},
        .tokens = tokens_.get(),
        .join_tokens = &join_,
        .nodes = &nodes_,
        .authority = authority_.get(),
        .log = log_.get(),
        .metrics = &metrics_,
        .failures = &failures_,
        .clock = clock_,
        .entropy = entropy_});
  }
  std::string Token(const std::string& account, const std::string& more = "") {
    return signer_.Sign(Cat(R"({"iss":"i","aud":"istio-ca","exp":)",
                            absl::ToUnixSeconds(now_) + 600, R"(,"sub":"system:serviceaccount:)",
                            account, "\"", more, "}"));
  }
  std::string NodeToken() {
    return Token("meltemi-system:meltemi-node", R"(,"kubernetes.io":{"node":{"name":"node-a"}})");
  }
  std::string Count(const std::string& name) {
    const std::string text = metrics_.Text();
    const size_t at = text.find(Cat("\n", name, " "));
    if (at == std::string::npos) return "0";
    return text.substr(at + name.size() + 2, text.find('\n', at + 1) - at - name.size() - 2);
  }
  absl::Status Fails(const CallInfo& call, const CertificateRequest& request) {
    const auto reply = handler_->Handle(call, request);
    EXPECT_FALSE(reply.ok());
    return reply.status();
  }
  CertPtr Leaf(const absl::StatusOr<CertificateReply>& reply) {
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *CertificateFromPem(reply->leaf_pem) : nullptr;
  }

  testing::MemoryFiles files_;
  absl::Time now_ = kStart;
  uint8_t random_ = 0;
  Clock clock_ = [this] { return now_; };
  Entropy entropy_ = [this](absl::Span<uint8_t> bytes) {
    for (uint8_t& b : bytes) b = ++random_;
  };
  TrustDomains domains_ = *TrustDomains::Make("cluster.local", {"old.local"});
  policy::TestSigner signer_{"k"};
  control::common::Metrics metrics_;
  Failures failures_;
  JoinTokens join_{&files_, "/d/join-tokens"};
  OneWorkload nodes_;
  std::unique_ptr<JwksVerifier> tokens_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<IssuanceLog> log_;
  std::unique_ptr<CertificateHandler> handler_;
};

TEST_F(HandlerTest, AWorkloadGetsItsOwnIdentityWhateverItAsksFor) {
  const KeyPtr key = testing::NewKey();
  const std::string csr = testing::CsrPem(
      key.get(), {.extensions = {{NID_subject_alt_name,
                                  "URI:spiffe://cluster.local/ns/kube-system/sa/root"}}});
  const auto reply = handler_->Handle({.bearer = Token("shop:cart"), .peer = "p"}, {.csr = csr});
  const CertPtr leaf = Leaf(reply);
  EXPECT_EQ(UriNames(leaf.get()),
            std::vector<std::string>{"spiffe://cluster.local/ns/shop/sa/cart"});
  EXPECT_EQ(NotAfter(leaf.get()), now_ + absl::Hours(24));
  EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(leaf.get()), key.get()), 1);
  EXPECT_TRUE(reply->intermediates_pem.empty());
  EXPECT_EQ(reply->trusted_pem, authority_->current()->trusted_pem);
  const auto line = policy::Json::Parse(files_.content()[kLog]);
  ASSERT_TRUE(line.ok()) << files_.content()[kLog];
  EXPECT_EQ(line->StringOf("identity"), "spiffe://cluster.local/ns/shop/sa/cart");
  EXPECT_EQ(line->StringOf("serial"), SerialHex(leaf.get()));
  EXPECT_EQ(line->StringOf("method"), "jwt");
  EXPECT_EQ(line->StringOf("key"), "ECDSA P-256");
  EXPECT_EQ(line->StringOf("peer"), "p");
  EXPECT_EQ(Count("citadel_server_csr_count"), "1");
  EXPECT_EQ(Count("citadel_server_success_cert_issuance_count"), "1");
}

TEST_F(HandlerTest, CallersThatProveNothingAreRefused) {
  const std::string csr = testing::CsrPem();
  EXPECT_EQ(Fails({}, {.csr = csr}).code(), StatusCode::kUnauthenticated);
  EXPECT_EQ(Fails({.bearer = "x"}, {.csr = csr}).code(), StatusCode::kUnauthenticated);
  EXPECT_EQ(Fails({.bearer = "mjt1.0.x"}, {.csr = csr}).code(), StatusCode::kUnauthenticated);
  EXPECT_EQ(Fails({.bearer = std::string(100'000, 'x')}, {.csr = csr}).code(),
            StatusCode::kUnauthenticated);
  const std::string expired = Token("shop:cart");
  now_ += absl::Hours(1);
  EXPECT_EQ(Fails({.bearer = expired}, {.csr = csr}).message(), "Jwt is expired");
  EXPECT_EQ(Count("citadel_server_authentication_failure_count"), "5");
  EXPECT_EQ(files_.content()[kLog], "");
}

TEST_F(HandlerTest, ABadTokenIsNotExcusedByAGoodCertificate) {
  const auto first = handler_->Handle({.bearer = Token("shop:cart")}, {.csr = testing::CsrPem()});
  ASSERT_TRUE(first.ok());
  const CallInfo both{.bearer = "x", .peer_chain_pem = first->leaf_pem};
  EXPECT_EQ(Fails(both, {.csr = testing::CsrPem()}).code(), StatusCode::kUnauthenticated);
  const CallInfo certificate{.peer_chain_pem = first->leaf_pem};
  EXPECT_TRUE(handler_->Handle(certificate, {.csr = testing::CsrPem()}).ok());
}

TEST_F(HandlerTest, GarbageIsRefusedAndCounted) {
  const CallInfo call{.bearer = Token("shop:cart")};
  EXPECT_EQ(Fails(call, {.csr = "garbage"}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Fails(call, {.csr = ""}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Count("citadel_server_csr_parsing_err_count"), "2");
  EXPECT_EQ(Fails(call, {.csr = testing::CsrPem(), .ttl = absl::Hours(24 * 91)}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Fails(call, {.csr = testing::CsrPem(), .ttl = -absl::Hours(1)}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Count("citadel_server_csr_sign_err_count{error=\"ttl\"}"), "2");
  EXPECT_EQ(
      NotAfter(Leaf(handler_->Handle(call, {.csr = testing::CsrPem(), .ttl = absl::Hours(24 * 90)}))
                   .get()),
      now_ + absl::Hours(24 * 90));
}

TEST_F(HandlerTest, ANodeGetsWhatRunsOnItAndNothingElse) {
  const std::string reviews = "spiffe://cluster.local/ns/shop/sa/reviews";
  const auto ask = [&](const std::string& bearer, const std::string& identity) {
    return handler_->Handle({.bearer = bearer},
                            {.csr = testing::CsrPem(), .impersonated = identity});
  };
  const CertPtr leaf = Leaf(ask(NodeToken(), reviews));
  EXPECT_EQ(UriNames(leaf.get()), std::vector<std::string>{reviews});
  EXPECT_EQ(CommonName(leaf.get()), "");  // it is not the node's
  const auto line = policy::Json::Parse(files_.content()[kLog]);
  EXPECT_EQ(line->StringOf("caller"), "spiffe://cluster.local/ns/meltemi-system/sa/meltemi-node");
  EXPECT_EQ(line->StringOf("node"), "node-a");
  EXPECT_TRUE(ask(NodeToken(), "spiffe://old.local/ns/shop/sa/reviews").ok());  // an alias
  // The node as its Pod is known.
  EXPECT_TRUE(ask(Token("meltemi-system:meltemi-node",
                        R"(,"kubernetes.io":{"pod":{"name":"node-plane-x"}})"),
                  reviews)
                  .ok());
  struct Row {
    std::string bearer, identity;
    StatusCode code;
    std::string_view why;
  };
  const std::string node = "spiffe://cluster.local/ns/meltemi-system/sa/meltemi-node";
  const Row kRows[] = {
      {NodeToken(), "spiffe://cluster.local/ns/shop/sa/ratings", StatusCode::kPermissionDenied,
       "no workload of spiffe://cluster.local/ns/shop/sa/ratings is bound to node node-a"},
      {Token("meltemi-system:meltemi-node", R"(,"kubernetes.io":{"node":{"name":"node-b"}})"),
       reviews, StatusCode::kPermissionDenied,
       "no workload of spiffe://cluster.local/ns/shop/sa/reviews is bound to node node-b"},
      {Token("meltemi-system:meltemi-node"), reviews, StatusCode::kPermissionDenied,
       "the node of spiffe://cluster.local/ns/meltemi-system/sa/meltemi-node is not known; it may "
       "not ask for others"},
      {Token("shop:cart", R"(,"kubernetes.io":{"node":{"name":"node-a"}})"), reviews,
       StatusCode::kPermissionDenied,
       "spiffe://cluster.local/ns/shop/sa/cart is no node account and may not ask for "
       "spiffe://cluster.local/ns/shop/sa/reviews"},
      {NodeToken(), "spiffe://evil.local/ns/shop/sa/reviews", StatusCode::kPermissionDenied,
       "trust domain evil.local is neither cluster.local nor an alias of it"},
      {NodeToken(), "reviews", StatusCode::kInvalidArgument, "not a SPIFFE identity: \"reviews\""},
  };
  for (const Row& row : kRows) {
    const absl::Status status = ask(row.bearer, row.identity).status();
    EXPECT_EQ(status.code(), row.code) << row.why;
    EXPECT_EQ(meltemi::Std(status.message()), row.why);
  }
  EXPECT_EQ(Count("citadel_server_id_extraction_err_count"), "6");
  EXPECT_TRUE(ask(NodeToken(), node).ok());  // itself
}

TEST_F(HandlerTest, ANodeIsKnownByItsCertificateAgain) {
  const Identity node{"cluster.local", "meltemi-system", "meltemi-node"};
  const auto token = join_.Create(node, "node-a", absl::Hours(1), now_, entropy_);
  const auto joined = handler_->Handle({.bearer = *token}, {.csr = testing::CsrPem()});
  const CertPtr leaf = Leaf(joined);
  EXPECT_EQ(CommonName(leaf.get()), "node-a");
  // Used once.
  EXPECT_EQ(Fails({.bearer = *token}, {.csr = testing::CsrPem()}).code(),
            StatusCode::kUnauthenticated);
  now_ += absl::Hours(12);
  const CallInfo call{.peer_chain_pem = joined->leaf_pem};
  EXPECT_TRUE(handler_
                  ->Handle(call, {.csr = testing::CsrPem(),
                                  .impersonated = "spiffe://cluster.local/ns/shop/sa/reviews"})
                  .ok());
  EXPECT_EQ(CommonName(Leaf(handler_->Handle(call, {.csr = testing::CsrPem()})).get()), "node-a");
  now_ += absl::Hours(12);
  EXPECT_EQ(Fails(call, {.csr = testing::CsrPem()}).code(), StatusCode::kUnauthenticated);
}

TEST_F(HandlerTest, ABadRequestDoesNotSpendAJoinToken) {
  const Identity node{"cluster.local", "meltemi-system", "meltemi-node"};
  const auto token = join_.Create(node, "node-a", absl::Hours(1), now_, entropy_);
  EXPECT_EQ(Fails({.bearer = *token}, {.csr = "garbage"}).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(handler_->Handle({.bearer = *token}, {.csr = testing::CsrPem()}).ok());
}

TEST_F(HandlerTest, AFullDiskDoesNotSpendAJoinToken) {
  const Identity node{"cluster.local", "meltemi-system", "meltemi-node"};
  const auto token = join_.Create(node, "node-a", absl::Hours(1), now_, entropy_);
  files_.FailWritesAfter(0);
  EXPECT_EQ(Fails({.bearer = *token}, {.csr = testing::CsrPem()}).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(failures_.Text().starts_with("log: failing since 2023-11-14T22:13:20Z: "));
  files_.FailWritesAfter(-1);
  EXPECT_TRUE(handler_->Handle({.bearer = *token}, {.csr = testing::CsrPem()}).ok());
  EXPECT_TRUE(failures_.Text().starts_with("log: failed from ")) << failures_.Text();
  EXPECT_EQ(Fails({.bearer = *token}, {.csr = testing::CsrPem()}).code(),
            StatusCode::kUnauthenticated);
}

TEST_F(HandlerTest, NothingIsHandedOutThatIsNotInTheLog) {
  files_.FailWritesAfter(0);
  const absl::Status status = Fails({.bearer = Token("shop:cart")}, {.csr = testing::CsrPem()});
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("No space left on device"), absl::string_view::npos);
  EXPECT_EQ(Count("citadel_server_csr_sign_err_count{error=\"log\"}"), "1");
  EXPECT_EQ(Count("citadel_server_success_cert_issuance_count"), "0");
  files_.FailWritesAfter(-1);
  EXPECT_TRUE(handler_->Handle({.bearer = Token("shop:cart")}, {.csr = testing::CsrPem()}).ok());
}

TEST_F(HandlerTest, AnExpiredCaSaysSo) {
  now_ += absl::Hours(24 * 366);
  EXPECT_EQ(Fails({.bearer = Token("shop:cart")}, {.csr = testing::CsrPem()}).code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(HandlerTest, BothRootsAreServedWhileRotating) {
  const auto old = handler_->Handle({.bearer = Token("shop:cart")}, {.csr = testing::CsrPem()});
  ASSERT_TRUE(authority_->Begin(std::nullopt).ok());
  ASSERT_TRUE(authority_->Switch(Authority::Pace::kNow).ok());
  const CallInfo call{.peer_chain_pem = old->leaf_pem};  // still a good proof
  const auto fresh = handler_->Handle(call, {.csr = testing::CsrPem()});
  ASSERT_TRUE(fresh.ok()) << fresh.status();
  EXPECT_EQ(CertificatesFromPem(fresh->trusted_pem)->size(), 2u);
  ASSERT_TRUE(authority_->Retire(Authority::Pace::kNow).ok());
  EXPECT_EQ(Fails(call, {.csr = testing::CsrPem()}).code(), StatusCode::kUnauthenticated);
}

TEST_F(HandlerTest, TheListenersCertificateIsRenewedAndSurvivesTrouble) {
  ServingCertificate serving(
      {.identity = {"cluster.local", "meltemi-system", "meltemi-ca"}, .dns_names = {"ca.example"}},
      authority_.get(), clock_, entropy_);
  const auto first = serving.Get();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(DnsNames(CertificateFromPem(first->chain)->get()),
            std::vector<std::string>{"ca.example"});
  now_ += absl::Hours(11);
  EXPECT_EQ(serving.Get()->version, first->version);
  now_ += absl::Hours(2);
  EXPECT_EQ(serving.Get()->version, first->version + 1);
  ASSERT_TRUE(authority_->Begin(std::nullopt).ok());
  EXPECT_EQ(serving.Get()->version, first->version + 2);
  EXPECT_EQ(CertificatesFromPem(serving.Get()->trusted)->size(), 2u);
  now_ += absl::Hours(24 * 366);  // the CA has ended, and so has the last certificate
  EXPECT_FALSE(serving.Get().ok());
}

}  // namespace
}  // namespace meltemi::ca
