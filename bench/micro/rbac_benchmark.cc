// What access control costs a request: so many rules as Pilot makes them of AuthorizationPolicy
// (paths of one method, by one account), of which the last matches, or none. One thread, everything
// in the cache: a lower bound. A request's decision is also counted: a hash lookup beside this.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "benchmark/benchmark.h"
#include "l7/base/check.h"
#include "l7/base/text.h"
#include "l7/config/rbac.h"
#include "l7/policy/rbac.h"

namespace meltemi {
namespace {

using config::RbacNode;
using Kind = config::RbacNode::Kind;

std::string Account(int64_t i) { return Cat("spiffe://cluster.local/ns/default/sa/account-", i); }

uint32_t AddString(config::StringMatch::Kind kind, std::string value, config::RbacRules* rules) {
  rules->strings.push_back({.kind = kind, .value = std::move(value)});
  return static_cast<uint32_t>(rules->strings.size() - 1);
}

// and(or(:method), or(path)) by and(or(principal)).
void AddPolicy(int64_t i, config::RbacRules* rules) {
  auto& nodes = rules->nodes;
  const auto at = static_cast<uint32_t>(nodes.size());
  config::HeaderMatch method{.name = ":method", .kind = config::HeaderMatch::Kind::kString};
  method.string.value = "GET";
  rules->headers.push_back(std::move(method));
  const auto header = static_cast<uint32_t>(rules->headers.size() - 1);
  const uint32_t path = AddString(config::StringMatch::Kind::kPrefix, Cat("/api/", i, "/"), rules);
  const uint32_t account = AddString(config::StringMatch::Kind::kExact, Account(i), rules);
  nodes.push_back({.kind = Kind::kAnd, .end = at + 5});
  nodes.push_back({.kind = Kind::kOr, .end = at + 3});
  nodes.push_back({.kind = Kind::kHeader, .end = at + 3, .value = header});
  nodes.push_back({.kind = Kind::kOr, .end = at + 5});
  nodes.push_back({.kind = Kind::kPath, .end = at + 5, .value = path});
  nodes.push_back({.kind = Kind::kAnd, .end = at + 8});
  nodes.push_back({.kind = Kind::kOr, .end = at + 8});
  nodes.push_back({.kind = Kind::kPrincipal, .end = at + 8, .value = account});
  rules->policies.push_back({.name = Cat("p", i), .permissions = {at}, .principals = {at + 5}});
}

void Decide(benchmark::State& state, bool matches) {
  config::RbacRules rules;
  for (int64_t i = 0; i < state.range(0); ++i) AddPolicy(i, &rules);
  const int64_t last = state.range(0) - 1;
  const std::string account = Account(matches ? last : -1);
  const std::string path = Cat("/api/", last, "/items?x=1");
  const auto no_header = [](std::string_view) -> std::optional<std::string_view> { return {}; };
  const route::RequestView view{
      .method = "GET", .scheme = "http", .authority = "shop", .path = path, .header = no_header};
  const policy::RbacRequest request{.http = &view,
                                    .peer = {.authenticated = true, .principal = account}};
  for (auto _ : state) {
    const config::RbacPolicy* found = policy::FindPolicy(rules, request);
    CHECK((found != nullptr) == matches);
  }
}
BENCHMARK_CAPTURE(Decide, last_matches, true)->Arg(1)->Arg(10)->Arg(100);
BENCHMARK_CAPTURE(Decide, none_matches, false)->Arg(1)->Arg(10)->Arg(100);

}  // namespace
}  // namespace meltemi
