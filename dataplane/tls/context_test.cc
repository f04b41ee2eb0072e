#include "dataplane/tls/context.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "dataplane/tls/context_data.h"
#include "dataplane/tls/testing/certificates.h"

namespace meltemi::tls {
namespace {

struct Pki {
  TestAuthority root{"root"};
  Certificate a = root.IssueSpiffe("a");
  Certificate b = root.IssueSpiffe("b");
  static const Pki& Get() {
    static const Pki pki;
    return pki;
  }
};

ServerOptions Good() {
  ServerOptions options;
  options.common.trust = {{.pem = Pki::Get().root.pem()}};
  options.certificates = {{{}, Pki::Get().a}};
  return options;
}

TEST(Context, SaysWhatIsWrong) {
  struct Row {
    const char* name;
    std::function<void(ServerOptions*)> change;
    const char* message;
  };
  const Row rows[] = {
      {"no certificate", [](auto* o) { o->certificates.clear(); }, "needs a certificate"},
      {"empty chain", [](auto* o) { o->certificates[0].certificate.chain_pem = ""; },
       "certificate chain: no certificate"},
      {"garbage chain",
       [](auto* o) {
         o->certificates[0].certificate.chain_pem =
             "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
       },
       "certificate chain"},
      {"no key", [](auto* o) { o->certificates[0].certificate.key_pem = ""; }, "private key"},
      {"another's key",
       [](auto* o) { o->certificates[0].certificate.key_pem = Pki::Get().b.key_pem; },
       "does not fit"},
      {"no roots", [](auto* o) { o->common.trust.clear(); }, "no trust bundle"},
      {"garbage roots",
       [](auto* o) {
         o->common.trust = {{"x", "junk"}};
       },
       "trust bundle \"x\": no certificate"},
      {"unknown suite", [](auto* o) { o->common.cipher_suites_13 = "TLS_NULL"; }, "TLS_NULL"},
      {"unknown suite of 1.2", [](auto* o) { o->common.cipher_suites_12 = "NOPE"; }, "NOPE"},
      {"versions the wrong way round",
       [](auto* o) {
         o->common.version_min = Version::kTls13;
         o->common.version_max = Version::kTls12;
       },
       "version_min"},
      {"empty protocol", [](auto* o) { o->common.alpn = {""}; }, "ALPN"},
      {"long protocol", [](auto* o) { o->common.alpn = {std::string(256, 'x')}; }, "ALPN"},
  };
  ASSERT_TRUE(MakeServerContext(Good()).ok());
  for (const Row& row : rows) {
    ServerOptions options = Good();
    row.change(&options);
    const auto context = MakeServerContext(options);
    ASSERT_FALSE(context.ok()) << row.name;
    EXPECT_NE(std::string(context.status().message()).find(row.message), std::string::npos)
        << row.name << ": " << context.status();
  }
  ServerOptions options = Good();
  options.common.alpn = {std::string(255, 'x')};
  EXPECT_TRUE(MakeServerContext(options).ok());
  EXPECT_FALSE(MakeClientContext({.common = {.verify = VerifyPeer::kIfGiven}}).ok());
}

TEST(Context, EqualOnesHaveEqualIds) {
  // Goal: files read again unchanged keep sessions resumable; any change of content does not.
  const auto id = [](const ServerOptions& options) { return (*MakeServerContext(options))->id; };
  const uint64_t good = id(Good());
  EXPECT_EQ(id(Good()), good);
  ServerOptions options = Good();
  options.certificates[0].certificate = Pki::Get().b;
  EXPECT_NE(id(options), good);
  options = Good();
  options.common.peer.uris = {"x"};
  EXPECT_NE(id(options), good);
  options.common.peer = {.trust_domains = {"x"}};
  EXPECT_NE(id(options), good);
}

TEST(Context, KnowsWhenItEnds) {
  EXPECT_EQ(NotAfter(**MakeServerContext(Good())), kTestNow + 86'400);
  ClientOptions client;
  client.common.verify = VerifyPeer::kNo;
  EXPECT_EQ(NotAfter(**MakeClientContext(client)), 0);
}

}  // namespace
}  // namespace meltemi::tls
