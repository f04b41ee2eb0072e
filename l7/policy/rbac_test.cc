// Goal: each kind of condition matches what Envoy says it does, and nothing else. Method: rules in
// protobuf's text form, compiled as in a configuration, against requests made by hand.
#include "l7/policy/rbac.h"

#include <memory>
#include <optional>

#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "l7/base/check.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::policy {
namespace {

constexpr char kAlice[] = "spiffe://cluster.local/ns/foo/sa/alice";

config::RbacRules Rules(const std::string& text) {
  envoy::extensions::filters::http::rbac::v3::RBAC message;
  CHECK(google::protobuf::TextFormat::ParseFromString(Cat("rules { ", text, " }"), &message));
  google::protobuf::Any any;
  any.PackFrom(message);
  const config::FieldTable fields;
  const config::CompilerOptions options;
  config::Snapshot snapshot;
  const config::CompileContext context{
      .fields = fields, .options = options, .ids = nullptr, .snapshot = &snapshot};
  absl::StatusOr<config::Rbac> rbac = config::CompileHttpRbac(context, any);
  CHECK(rbac.ok());
  return *std::move(rbac->rules);
}

struct Given {
  std::string_view method = "GET", path = "/info?x=/admin", authority = "shop.example:80";
  std::string_view header = "blue";  // of x-team
  RbacPeer peer{.authenticated = true, .principal = kAlice};
  SockAddr local{*IpAddr::Parse("10.1.0.7"), 8080};
  IpAddr direct_remote = *IpAddr::Parse("10.2.0.9");
  std::string_view forwarded_for = "1.2.3.4, 2001:db8::5";
  std::string_view sni = "shop.example";
  bool http = true;
};

const config::RbacPolicy* Find(const config::RbacRules& rules, const Given& given) {
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    if (name == "x-forwarded-for") return given.forwarded_for;
    return name == "x-team" ? std::optional(given.header) : std::nullopt;
  };
  const route::RequestView view{.method = given.method,
                                .scheme = "http",
                                .authority = given.authority,
                                .path = given.path,
                                .header = lookup};
  return FindPolicy(rules, {.http = given.http ? &view : nullptr,
                            .peer = given.peer,
                            .local = given.local,
                            .direct_remote = given.direct_remote,

                            .sni = given.sni});
}

std::string Permission(std::string_view text) {
  return Cat("policies { key: 'p' value { permissions { ", text, " } principals { any: true } } }");
}
std::string Principal(std::string_view text) {
  return Cat("policies { key: 'p' value { permissions { any: true } principals { ", text, " } } }");
}

struct Row {
  std::string_view condition;
  bool matches;
};

TEST(Rbac, PermissionsMatchTheRequest) {
  const Row rows[] = {
      {"any: true", true},
      {"header { name: ':method' string_match { exact: 'GET' } }", true},
      {"header { name: ':method' string_match { exact: 'POST' } }", false},
      {"header { name: ':authority' string_match { exact: 'SHOP.example:80' ignore_case: true } }",
       true},
      {"header { name: 'x-team' present_match: true }", true},
      {"header { name: 'x-none' present_match: true }", false},
      {"url_path { path { exact: '/info' } }", true},  // the query is no part of it
      {"url_path { path { suffix: '/admin' } }", false},
      {"url_path { path { prefix: '/in' } }", true},
      {"destination_ip { address_prefix: '10.1.0.0' prefix_len { value: 16 } }", true},
      {"destination_ip { address_prefix: '10.2.0.0' prefix_len { value: 16 } }", false},
      {"destination_ip { address_prefix: '0.0.0.0' }", true},
      {"destination_port: 8080", true},
      {"destination_port: 80", false},
      {"destination_port_range { start: 8000 end: 8081 }", true},
      {"destination_port_range { start: 8000 end: 8080 }", false},  // the end is not in it
      {"requested_server_name { suffix: '.example' }", true},
      {"requested_server_name { exact: 'other' }", false},
      {"not_rule { destination_port: 80 }", true},
      {"not_rule { any: true }", false},
      {"and_rules { rules { destination_port: 8080 } rules { any: true } }", true},
      {"and_rules { rules { destination_port: 8080 } rules { destination_port: 80 } }", false},
      {"or_rules { rules { destination_port: 80 } rules { destination_port: 8080 } }", true},
      {"or_rules { rules { destination_port: 80 } rules { destination_port: 81 } }", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Find(Rules(Permission(row.condition)), {}) != nullptr, row.matches) << row.condition;
  }
}

TEST(Rbac, PrincipalsMatchWhoAsks) {
  const Row rows[] = {
      {"any: true", true},
      {"authenticated { }", true},
      {"authenticated { principal_name { exact: 'spiffe://cluster.local/ns/foo/sa/alice' } }",
       true},
      {"authenticated { principal_name { exact: 'cluster.local/ns/foo/sa/alice' } }", false},
      {"authenticated { principal_name { contains: '/ns/foo/' } }", true},
      {"authenticated { principal_name { safe_regex { regex: '.*/ns/fo/.*' } } }", false},
      {"source_ip { address_prefix: '10.2.0.9' prefix_len { value: 32 } }", true},
      {"direct_remote_ip { address_prefix: '10.2.0.8' prefix_len { value: 32 } }", false},
      {"remote_ip { address_prefix: '2001:db8::' prefix_len { value: 32 } }", true},
      {"remote_ip { address_prefix: '10.2.0.0' prefix_len { value: 16 } }", false},
      {"header { name: 'x-team' string_match { exact: 'blue' } }", true},
      {"url_path { path { exact: '/other' } }", false},
      {"not_id { authenticated { } }", false},
      {"or_ids { ids { header { name: 'x-none' } } ids { authenticated { } } }", true},
      {"and_ids { ids { header { name: 'x-none' } } ids { authenticated { } } }", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Find(Rules(Principal(row.condition)), {}) != nullptr, row.matches) << row.condition;
  }
}

// A name that is not proven is no name, whatever the matcher.
TEST(Rbac, WithoutIdentityNoPrincipalMatches) {
  const Given nobody{.peer = {.authenticated = false, .principal = kAlice}};
  for (const char* name : {"prefix: 's'", "contains: '/'", "safe_regex { regex: '.*' }"}) {
    const auto rules = Rules(Principal(Cat("authenticated { principal_name { ", name, " } }")));
    EXPECT_EQ(Find(rules, nobody), nullptr) << name;
    EXPECT_NE(Find(rules, {}), nullptr) << name;
  }
  EXPECT_EQ(Find(Rules(Principal("authenticated { }")), nobody), nullptr);
  EXPECT_NE(Find(Rules(Principal("not_id { authenticated { } }")), nobody), nullptr);
}

TEST(Rbac, AnyOfSeveralNamesMatches) {
  const std::vector<std::string> names = {"spiffe://a/ns/x/sa/y", kAlice};
  const auto rules =
      Rules(Principal(Cat("authenticated { principal_name { exact: '", kAlice, "' } }")));
  EXPECT_NE(Find(rules, {.peer = {.authenticated = true, .principal = names[0], .names = names}}),
            nullptr);
}

// What says something about HTTP does not match an opaque connection; its negation does.
TEST(Rbac, OpaqueConnectionsHaveNoHeaders) {
  const Given tcp{.http = false};
  EXPECT_EQ(Find(Rules(Permission("url_path { path { prefix: '/' } }")), tcp), nullptr);
  EXPECT_EQ(Find(Rules(Permission("header { name: 'x' present_match: false }")), tcp), nullptr);
  EXPECT_NE(Find(Rules(Permission("destination_port: 8080")), tcp), nullptr);
}

TEST(Rbac, SubtreesEndWhereTheyShould) {
  // A sibling behind a nested subtree is still a sibling.
  const auto rules = Rules(
      Permission("and_rules { rules { or_rules { rules { not_rule { destination_port: 1 } } "
                 "rules { destination_port: 2 } } } rules { and_rules { rules { any: true } } } "
                 "rules { destination_port: 3 } }"));
  EXPECT_EQ(Find(rules, {}), nullptr);
  EXPECT_NE(Find(rules, {.local = {*IpAddr::Parse("10.1.0.7"), 3}}), nullptr);
}

TEST(Rbac, TheFirstByNameIsFoundAndAnyOfItsPartsIsEnough) {
  const auto rules = Rules(
      "policies { key: 'b' value { permissions { any: true } principals { any: true } } } "
      "policies { key: 'a' value { permissions { destination_port: 1 } "
      "permissions { destination_port: 8080 } principals { not_id { any: true } } "
      "principals { any: true } } } "
      "policies { key: 'c' value { permissions { any: true } principals { any: true } } }");
  ASSERT_NE(Find(rules, {}), nullptr);
  EXPECT_EQ(Find(rules, {})->name, "a");
  EXPECT_EQ(Find(rules, {.local = {*IpAddr::Parse("10.1.0.7"), 9}})->name, "b");
}

TEST(Rbac, ActionsDecide) {
  using Action = config::RbacRules::Action;
  const config::RbacPolicy policy{.name = "ns[a b]-policy[c]"};
  EXPECT_TRUE(Allows(Action::kAllow, &policy));
  EXPECT_FALSE(Allows(Action::kAllow, nullptr));
  EXPECT_FALSE(Allows(Action::kDeny, &policy));
  EXPECT_TRUE(Allows(Action::kDeny, nullptr));
  EXPECT_TRUE(Allows(Action::kLog, &policy));
  EXPECT_TRUE(Allows(Action::kLog, nullptr));
  EXPECT_EQ(Find(Rules("action: ALLOW"), {}), nullptr);  // no policy: denies all
  std::string details;
  AppendDenialDetails(&policy, &details);
  EXPECT_EQ(details, "rbac_access_denied_matched_policy[ns[a_b]-policy[c]]");
  AppendDenialDetails(nullptr, &(details = ""));
  EXPECT_EQ(details, "rbac_access_denied_matched_policy[none]");
}

TEST(Rbac, TheTrustedClientIsTheLastOneForwarded) {
  const IpAddr direct = *IpAddr::Parse("10.0.0.1");
  EXPECT_EQ(TrustedRemote("", direct), direct);
  EXPECT_EQ(TrustedRemote("1.2.3.4", direct).ToString(), "1.2.3.4");
  EXPECT_EQ(TrustedRemote("1.2.3.4, 2001:db8::1 ", direct).ToString(), "2001:db8::1");
  EXPECT_EQ(TrustedRemote("1.2.3.4,", direct), direct);
  EXPECT_EQ(TrustedRemote("1.2.3.4, evil", direct), direct);
}

}  // namespace
}  // namespace meltemi::policy
