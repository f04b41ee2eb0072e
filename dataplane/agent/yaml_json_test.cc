// Goal: what a bootstrap file must not be is an error with a reason, before anything walks over it.
// Method: small texts. (What a good one means: ads_state_test and the integration tests; any bytes:
// bootstrap_fuzz.)
#include "dataplane/agent/yaml_json.h"

#include "dataplane/agent/bootstrap.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

std::string ErrorOf(const std::string& text) {
  const auto bootstrap = ParseBootstrap(text, "f");
  return bootstrap.ok() ? "" : std::string(bootstrap.status().message());
}

TEST(Bootstrap, RefusesWhatIsNoTree) {
  const struct {
    const char* name;
    std::string text, error;
  } rows[] = {
      {"a circle", "node: &n {id: x, metadata: {again: *n}}", "more than 64 levels deep"},
      {"same key twice", "node: {id: x}\nnode: {id: y}", "f: node: is there twice"},
      {"below", "node: {id: x, metadata: {a: [{b: 1, b: 2}]}}",
       "f: node.metadata.a[0].b: is there twice"},
      {"a list as key", "node: {id: x, [a]: b}", "f: node: a key that is not a string"},
      {"bytes", "node: {id: \"\xff\"}", "f: not UTF-8"},
      {"no YAML", "a: [", "f:1: "},
  };
  for (const auto& row : rows) {
    EXPECT_TRUE(ErrorOf(row.text).find(row.error) != std::string::npos)
        << row.name << ": " << ErrorOf(row.text);
  }
  EXPECT_EQ(ErrorOf("node: {id: x}"), "");
}

// Ten times ten times ... values in a few lines.
TEST(Bootstrap, RefusesAliasesThatGrow) {
  std::string text = "node: {id: x}\na0: &a0 1\n";
  for (int i = 1; i < 8; ++i) {
    AppendTo(&text, "a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) AppendTo(&text, "*a", i - 1, k < 9 ? "," : "]\n");
  }
  EXPECT_EQ(ErrorOf(text), Cat("f: more than ", kYamlNodesMax, " values"));
}

TEST(Bootstrap, DepthIsBounded) {
  for (const int extra : {-1, 0, 1}) {
    const int levels = kYamlDepthMax + extra;
    const auto status =
        CheckTree(YAML::Load(std::string(levels, '[') + "1" + std::string(levels, ']')));
    EXPECT_EQ(status.ok(), extra <= 0) << levels;
  }
}

TEST(IsUtf8, IsWhatRfc3629Says) {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace meltemi::agent
