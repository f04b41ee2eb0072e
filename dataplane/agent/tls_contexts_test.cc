// Goal: contexts follow settings and secrets; what is missing or broken leaves the last good one in
// force and says why. Method: a table of files in the test's hands, tables compared by identity.
#include "dataplane/agent/tls_contexts.h"

#include <map>
#include <string>

#include "dataplane/tls/testing/certificates.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

using config::TlsRole;
using config::TlsSettings;

class TlsContextsTest : public ::testing::Test {
 protected:
  TlsContextsTest() { Write(root_.IssueSpiffe("a")); }

  void Write(const tls::Certificate& certificate) {
    files_["/chain"] = certificate.chain_pem;
    files_["/key"] = certificate.key_pem;
  }
  static TlsSettings Server() {
    TlsSettings s{.stable_id = 1};
    s.certificates = {{.chain = {.filename = "/chain"}, .key = {.filename = "/key"}}};
    return s;
  }
  static TlsSettings ClientWithSecrets() {
    TlsSettings s{.stable_id = 2, .role = TlsRole::kClient};
    s.certificate_secrets = {"mine"};
    s.trust_secret = "roots";
    s.sni = "b.example.com";
    return s;
  }
  tls::ContextRef Context(const tls::ContextTableRef& table, uint32_t id) {
    const tls::ContextEntry* entry = table == nullptr ? nullptr : table->Find(id);
    return entry == nullptr ? nullptr : entry->context;
  }

  tls::TestAuthority root_{"root"};
  std::map<std::string, std::string> files_;
  TlsContexts contexts_{
      [this](const std::string& path) -> absl::StatusOr<std::string> {
        const auto file = files_.find(path);
        if (file == files_.end()) return absl::NotFoundError(Cat(path, ": cannot be read"));
        return file->second;
      },
      [this](std::string_view text) -> absl::StatusOr<TlsSecrets> {  // of files "NAME FILE"
        ++parses_;
        const size_t space = text.find(' ');
        if (space == std::string_view::npos) return absl::InvalidArgumentError("no secret");
        const std::string path(text.substr(space + 1));
        config::TlsSecret secret;
        if (path == "/roots") {
          secret.trusted_ca.filename = path;
        } else {
          secret.certificate = {.chain = {.filename = path}, .key = {.filename = "/key"}};
        }
        return TlsSecrets{{std::string(text.substr(0, space)), secret}};
      }};
  int parses_ = 0;
};

TEST_F(TlsContextsTest, AFileThatChangesMakesANewContextAndOneThatDoesNotMakesNone) {
  contexts_.SetSettings({Server()});
  const tls::ContextRef first = Context(contexts_.Update(), 1);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(contexts_.Update(), nullptr);
  Write(root_.IssueSpiffe("b"));
  const tls::ContextRef second = Context(contexts_.Update(), 1);
  ASSERT_NE(second, nullptr);
  EXPECT_NE(second, first);
}

TEST_F(TlsContextsTest, ABrokenFileLeavesTheLastGoodContextAndSaysWhy) {
  contexts_.SetSettings({Server()});
  ASSERT_NE(contexts_.Update(), nullptr);
  const struct {
    std::string path, text, error;
  } kRows[] = {
      {"/chain", "no PEM", "certificate chain: no certificate"},
      {"/key", root_.IssueSpiffe("c").key_pem,
       "private key does not fit the certificate: key values mismatch"},
      {"/key", "no PEM", "private key: unsupported"},
  };
  uint64_t failures = 0;
  for (const auto& row : kRows) {
    const auto good = files_;
    files_[row.path] = row.text;
    EXPECT_EQ(contexts_.Update(), nullptr) << row.error;
    EXPECT_EQ(contexts_.Update(), nullptr) << "tried once only";
    const TlsContextStatus status = contexts_.Status().front();
    EXPECT_TRUE(status.ready);
    EXPECT_EQ(status.error, row.error);
    EXPECT_EQ(contexts_.failures(), ++failures);
    files_ = good;
    contexts_.Update();
    EXPECT_EQ(contexts_.Status().front().error, "");
  }
  files_.erase("/key");
  EXPECT_EQ(contexts_.Update(), nullptr);
  EXPECT_EQ(contexts_.Status().front().error, "/key: cannot be read");
}

TEST_F(TlsContextsTest, SecretsThatHaveNotComeAreWaitedFor) {
  contexts_.SetSettings({ClientWithSecrets()});
  tls::ContextTableRef table = contexts_.Update();
  ASSERT_NE(table, nullptr);  // the first one is made, empty
  EXPECT_EQ(table->Find(2), nullptr);
  EXPECT_EQ(contexts_.Status().front().error, "secret \"mine\" has not come");
  TlsSecrets secrets;
  const tls::Certificate leaf = root_.IssueSpiffe("a");
  secrets["mine"].certificate = {.chain = {.text = leaf.chain_pem}, .key = {.text = leaf.key_pem}};
  contexts_.SetSecrets(secrets);
  EXPECT_EQ(contexts_.Update(), nullptr);
  EXPECT_EQ(contexts_.Status().front().error, "secret \"roots\" has not come");
  secrets["roots"].trusted_ca.text = root_.pem();
  contexts_.SetSecrets(secrets);
  table = contexts_.Update();
  ASSERT_NE(Context(table, 2), nullptr);
  EXPECT_EQ(table->Find(2)->sni, "b.example.com");
  EXPECT_EQ(contexts_.Status().front().secrets, "mine roots");
  // A secret of the wrong kind: the old context stays.
  secrets["roots"] = secrets["mine"];
  contexts_.SetSecrets(secrets);
  EXPECT_EQ(contexts_.Update(), nullptr);
  EXPECT_EQ(contexts_.Status().front().error, "secret \"roots\" has no trusted_ca");
  EXPECT_TRUE(contexts_.Status().front().ready);
}

TEST_F(TlsContextsTest, SecretsOfFilesAreReadAgain) {
  TlsSettings s{.stable_id = 3};
  s.certificate_secrets = {"file:/sds#mine"};
  s.trust_secret = "file:/trust#roots";
  s.secret_files = {{"file:/sds#mine", {.path = "/sds", .name = "mine"}},
                    {"file:/trust#roots", {.path = "/trust", .name = "roots"}}};
  files_["/sds"] = "mine /chain";
  contexts_.SetSettings({s});
  EXPECT_EQ(Context(contexts_.Update(), 3), nullptr);
  EXPECT_EQ(contexts_.Status().front().error, "/trust: cannot be read");
  files_["/trust"] = "roots /roots";
  files_["/roots"] = root_.pem();
  const tls::ContextRef first = Context(contexts_.Update(), 3);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(contexts_.Status().front().secrets, "file:/sds#mine file:/trust#roots");
  EXPECT_EQ(contexts_.Update(), nullptr);
  EXPECT_EQ(parses_, 2);  // only what has changed
  // The files that it names change, and it itself does.
  Write(root_.IssueSpiffe("b"));
  const tls::ContextRef second = Context(contexts_.Update(), 3);
  EXPECT_NE(second, nullptr);
  EXPECT_NE(second, first);
  files_["/chain2"] = files_["/chain"];
  files_["/sds"] = "mine /chain2";
  EXPECT_EQ(contexts_.Update(), nullptr);  // the same texts
  const struct {
    const char* path;
    const char* text;
    const char* error;
  } kRows[] = {
      {"/sds", "broken", "/sds: no secret"},
      {"/sds", "other /chain", "/sds: has no secret \"mine\""},
      {"/sds", "", "/sds: no secret"},
      {"/sds", "mine /roots", "secret \"file:/sds#mine\" is no certificate"},
      {"/trust", "roots /chain", "secret \"file:/trust#roots\" has no trusted_ca"},
  };
  for (const auto& row : kRows) {
    const std::string good = std::exchange(files_[row.path], row.text);
    EXPECT_EQ(contexts_.Update(), nullptr) << row.text;
    EXPECT_TRUE(contexts_.Status().front().ready);
    EXPECT_EQ(contexts_.Status().front().error, row.error);
    files_[row.path] = good;
    EXPECT_EQ(contexts_.Update(), nullptr);
    EXPECT_EQ(contexts_.Status().front().error, "");
  }
}

TEST_F(TlsContextsTest, SettingsThatAreGoneAreForgotten) {
  contexts_.SetSettings({Server()});
  ASSERT_EQ(contexts_.Update()->size(), 1u);
  contexts_.SetSettings({});
  EXPECT_EQ(contexts_.Update()->size(), 0u);
  EXPECT_TRUE(contexts_.Status().empty());
}

// Goal: settings that leave the certificate to the connection have a context per identity of this
// node, which come and go with the identities. Method: secrets in the test's hands.
TEST_F(TlsContextsTest, EachIdentityHasItsContext) {
  TlsSettings s = ClientWithSecrets();
  s.certificate_secrets = {"source"};
  contexts_.SetSettings({s});
  EXPECT_EQ(contexts_.Update()->size(), 0u);
  EXPECT_EQ(contexts_.Status().front().error, "secret \"source\" has not come");
  TlsSecrets secrets;
  secrets["roots"].trusted_ca.text = root_.pem();
  const auto add = [&](const std::string& name) {
    const tls::Certificate leaf = root_.IssueSpiffe(name);
    secrets["spiffe://mesh/" + name].certificate = {.chain = {.text = leaf.chain_pem},
                                                    .key = {.text = leaf.key_pem}};
    contexts_.SetSecrets(secrets);
  };
  add("a");
  const tls::ContextTableRef one = contexts_.Update();
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->Find(2), nullptr);
  ASSERT_NE(one->Find(2, "spiffe://mesh/a"), nullptr);
  add("b");
  const tls::ContextTableRef two = contexts_.Update();
  ASSERT_NE(two, nullptr);
  ASSERT_NE(two->Find(2, "spiffe://mesh/b"), nullptr);
  EXPECT_EQ(two->Find(2, "spiffe://mesh/a")->context, one->Find(2, "spiffe://mesh/a")->context);
  EXPECT_EQ(two->Find(2, "spiffe://mesh/c"), nullptr);
  secrets.erase("spiffe://mesh/a");
  contexts_.SetSecrets(secrets);
  EXPECT_EQ(contexts_.Update()->Find(2, "spiffe://mesh/a"), nullptr);
}

// Goal: what is inline and unusable is an error of the configuration, with the place.
TEST(CheckInlineTls, RefusesWhatNoContextCanBeMadeOf) {
  TlsSettings s;
  s.certificates = {{.chain = {.text = "no PEM"}, .key = {.text = "no PEM"}}};
  EXPECT_EQ(CheckInlineTls(s).message(), "common_tls_context: certificate chain: no certificate");
  s.certificates[0].key = {.filename = "/key"};  // files may come later
  EXPECT_TRUE(CheckInlineTls(s).ok());
}

}  // namespace
}  // namespace meltemi::agent
