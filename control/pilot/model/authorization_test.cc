// Goal: AuthorizationPolicies are read as written, hold where Istio says, and what is wrong or not
// supported is refused by its path. Method: YAML in, exact problem texts or model values out.
#include "absl/strings/str_cat.h"
#include "control/pilot/model/model.h"
#include "control/pilot/model/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kHead[] =
    "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {";

Objects Parse(const std::string& text, std::vector<std::string>* problems) {
  Objects objects;
  Problems found;
  ParseText("f.yaml", text, &objects, &found);
  for (const Problem& problem : found) problems->push_back(ToString(problem));
  return objects;
}

TEST(AuthorizationPolicy, HoldsForItsWorkloadsItsNamespaceOrTheMesh) {
  std::vector<std::string> texts;
  const Objects objects =
      Parse(absl::StrCat(kHead, "name: a, namespace: one}\nspec: {}\n", kHead,
                         "name: b, namespace: one}\nspec: {selector: {matchLabels: {app: x}}}\n",
                         kHead, "name: c, namespace: istio-system}\nspec: {}\n", kHead,
                         "name: d, namespace: istio-system}\n"
                         "spec: {selector: {matchLabels: {app: x}}}\n"),
            &texts);
  ASSERT_THAT(texts, IsEmpty());
  Problems problems;
  const auto model = BuildModel(objects, "cluster.local", &problems);
  ASSERT_TRUE(model.has_value());
  const auto names = [&](const char* ns, const char* app) {
    std::string all;
    const Endpoint endpoint{.labels = {{"app", app}}, .ns = ns};
    for (const auto* policy : model->AuthorizationPoliciesFor(endpoint, "istio-system")) {
      all += policy->meta.name;
    }
    return all;
  };
  EXPECT_EQ(names("one", "x"), "cdab");  // by namespace, then name
  EXPECT_EQ(names("one", "y"), "ca");
  EXPECT_EQ(names("two", "x"), "cd");
  EXPECT_EQ(names("two", "y"), "c");
}

TEST(AuthorizationPolicy, IsReadAsWritten) {
  std::vector<std::string> texts;
  const Objects objects = Parse(
      absl::StrCat(kHead,
                   "name: a, annotations: {istio.io/dry-run: \"true\", other: x}}\n"
                   "spec: {action: DENY, rules: [{to: [{operation: {ports: [\"80\"], notPaths: "
                   "[/a]}}], when: [{key: \"request.headers[x-a]\", notValues: [b]}]}]}\n"),
      &texts);
  ASSERT_THAT(texts, IsEmpty());
  const AuthorizationPolicy& policy = objects.authorization_policies.at(0);
  EXPECT_EQ(policy.action, AuthorizationPolicy::Action::kDeny);
  EXPECT_TRUE(policy.dry_run);
  const auto& rule = policy.rules.at(0);
  EXPECT_THAT(rule.to.at(0).ports.in, ElementsAre("80"));
  EXPECT_THAT(rule.to.at(0).paths.out, ElementsAre("/a"));
  EXPECT_EQ(rule.when.at(0).key, "request.headers");
  EXPECT_EQ(rule.when.at(0).argument, "x-a");
  EXPECT_THAT(rule.when.at(0).values.out, ElementsAre("b"));
}

TEST(AuthorizationPolicy, RefusesWhatItDoesNotUnderstand) {
  const auto source = [](const std::string& text) {
    return absl::StrCat("{rules: [{from: [{source: {", text, "}}]}]}");
  };
  const auto operation = [](const std::string& text) {
    return absl::StrCat("{rules: [{to: [{operation: {", text, "}}]}]}");
  };
  const auto when = [](const std::string& text) {
    return absl::StrCat("{rules: [{when: [{", text, "}]}]}");
  };
  const struct {
    std::string spec, problem;
  } kRows[] = {
      {"{action: CUSTOM}", "spec.action: CUSTOM is not supported yet"},
      {"{targetRefs: []}", "spec.targetRefs: not supported yet"},
      {source(""), "spec.rules[0].from[0].source: must say something"},
      {"{rules: [{from: [{}]}]}", "spec.rules[0].from[0].source: required"},
      {"{rules: [{to: [{}]}]}", "spec.rules[0].to[0].operation: required"},
      {operation(""), "spec.rules[0].to[0].operation: must say something"},
      {source("namespaces: [a], serviceAccounts: [b]"),
       "spec.rules[0].from[0].source.serviceAccounts: must not stand beside principals or "
       "namespaces"},
      {source("principals: [a*b]"),
       "spec.rules[0].from[0].source.principals[0]: a * may stand at the beginning or at the end, "
       "once"},
      {source("ipBlocks: [10.0.0.0/33]"),
       "spec.rules[0].from[0].source.ipBlocks[0]: must be an IP address or CIDR block"},
      {source("ipBlocks: [10.0.0.1], requestPrincipals: [\"*\"]"),
       "spec.rules[0].from[0].source.requestPrincipals: not supported yet"},
      {operation("ports: [\"65536\"]"),
       "spec.rules[0].to[0].operation.ports[0]: must be a port, 1 to 65535"},
      {operation("paths: [\"/a/{b}\"]"),
       "spec.rules[0].to[0].operation.paths[0]: in a template, {*} and {**} alone have a meaning"},
      {operation("path: [/a], ports: [\"80\"]"),
       "spec.rules[0].to[0].operation.path: unknown field"},
      {when("key: source.port, values: [a]"),
       "spec.rules[0].when[0].key: \"source.port\" is not known"},
      {when("key: \"source.ip[a]\", values: [10.0.0.1]"),
       "spec.rules[0].when[0].key: \"source.ip[a]\" is not known"},
      {when("key: request.headers, values: [a]"),
       "spec.rules[0].when[0].key: \"request.headers\" is not known"},
      {when("key: \"request.auth.claims[a]\", values: [a]"),
       "spec.rules[0].when[0].key: \"request.auth.claims[a]\" is not supported yet"},
      {when("key: \"request.headers[a b]\", values: [a]"),
       "spec.rules[0].when[0].key: has no header's name in its brackets"},
      {when("key: source.ip"), "spec.rules[0].when[0].values: values or notValues must be given"},
      {when("key: source.ip, notValues: [x]"),
       "spec.rules[0].when[0].notValues[0]: must be an IP address or CIDR block"},
  };
  for (const auto& row : kRows) {
    std::vector<std::string> problems;
    Parse(absl::StrCat(kHead, "name: x}\nspec: ", row.spec, "\n"), &problems);
    const std::string head = "f.yaml: AuthorizationPolicy default/x: ";
    ASSERT_FALSE(problems.empty()) << row.spec;
    EXPECT_EQ(problems.front(), head + row.problem);
  }
  std::vector<std::string> problems;
  Parse(absl::StrCat(kHead, "name: x, annotations: {istio.io/dry-run: \"yes\"}}\nspec: {}\n"),
        &problems);
  EXPECT_THAT(problems, ElementsAre("f.yaml: AuthorizationPolicy default/x: "
                                    "metadata.annotations[\"istio.io/dry-run\"]: "
                                    "must be \"true\" or \"false\""));
}

}  // namespace
}  // namespace meltemi::control::pilot::model
