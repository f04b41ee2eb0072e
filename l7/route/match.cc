#include "l7/route/match.h"

#include <algorithm>
#include <string>

#include "l7/base/check.h"
#include "l7/base/stage.h"
#include "l7/base/text.h"
#include "l7/route/text.h"

namespace meltemi::route {
namespace {

using config::HeaderMatch;
using config::RouteMatch;
using config::StringMatch;

bool Equals(std::string_view a, std::string_view b, bool ignore_case) {
  return ignore_case ? text::EqualsIgnoreCase(a, b) : a == b;
}

bool StartsWith(std::string_view text, std::string_view prefix, bool ignore_case) {
  return text.size() >= prefix.size() && Equals(text.substr(0, prefix.size()), prefix, ignore_case);
}

bool EndsWith(std::string_view text, std::string_view suffix, bool ignore_case) {
  return text.size() >= suffix.size() &&
         Equals(text.substr(text.size() - suffix.size()), suffix, ignore_case);
}

bool Contains(std::string_view text, std::string_view part, bool ignore_case) {
  if (!ignore_case) return text.find(part) != std::string_view::npos;
  for (size_t i = 0; i + part.size() <= text.size(); ++i) {
    if (meltemi::text::EqualsIgnoreCase(text.substr(i, part.size()), part)) return true;
  }
  return false;
}

bool MatchesRegex(const RE2* regex, std::string_view value) {
  CHECK(regex != nullptr);
  return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex);
}

bool MatchesValue(const HeaderMatch& match, std::string_view value) {
  switch (match.kind) {
    case HeaderMatch::Kind::kPresent:
      return true;
    case HeaderMatch::Kind::kString:
      return Matches(match.string, value);
    case HeaderMatch::Kind::kRange: {
      const std::optional<int64_t> number = text::ParseInt(value);
      return number.has_value() && *number >= match.range_begin && *number < match.range_end;
    }
  }
  return false;
}

}  // namespace

std::optional<std::string_view> HeaderOf(std::string_view name, const RequestView& request) {
  if (name.empty() || name[0] != ':') {
    return name == "host" ? std::optional(request.authority) : request.header(name);
  }
  if (name == ":method") return request.method;
  if (name == ":authority") return request.authority;
  if (name == ":path") return request.path;
  if (name == ":scheme") return request.scheme;
  return std::nullopt;
}

std::string_view PathOnly(std::string_view path) {
  return path.substr(0, path.find_first_of("?#"));
}

bool Matches(const StringMatch& match, std::string_view value) {
  switch (match.kind) {
    case StringMatch::Kind::kExact:
      return Equals(value, match.value, match.ignore_case);
    case StringMatch::Kind::kPrefix:
      return StartsWith(value, match.value, match.ignore_case);
    case StringMatch::Kind::kSuffix:
      return EndsWith(value, match.value, match.ignore_case);
    case StringMatch::Kind::kContains:
      return Contains(value, match.value, match.ignore_case);
    case StringMatch::Kind::kRegex:
      return MatchesRegex(match.regex.get(), value);
  }
  return false;
}

bool Matches(const HeaderMatch& match, const RequestView& request) {
  std::optional<std::string_view> value = HeaderOf(match.name, request);
  if (!value.has_value()) {
    // Envoy: a missing header never matches, inverted or not, except that "present" inverted means
    // "absent"; treat_missing_header_as_empty takes it as "".
    if (match.kind == HeaderMatch::Kind::kPresent) return match.invert;
    if (!match.missing_is_empty) return false;
    value = "";
  }
  return MatchesValue(match, *value) != match.invert;
}

bool MatchesAll(const std::vector<HeaderMatch>& matches, const RequestView& request) {
  for (const HeaderMatch& match : matches) {
    if (!Matches(match, request)) return false;
  }
  return true;
}

bool Matches(const config::QueryMatch& match, std::string_view path) {
  const size_t mark = path.find('?');
  if (mark == std::string_view::npos) return false;
  std::string_view query = path.substr(mark + 1);
  query = query.substr(0, query.find('#'));
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != match.name) continue;
    // The first of several decides, as in Envoy.
    if (!match.value.has_value()) return true;
    return Matches(*match.value, pair.substr(std::min(equals + 1, pair.size())));
  }
  return false;
}

bool MatchesPath(const RouteMatch& match, std::string_view path_only) {
  switch (match.path) {
    case RouteMatch::Path::kPrefix:
      return StartsWith(path_only, match.path_value, match.ignore_case);
    case RouteMatch::Path::kExact:
      return Equals(path_only, match.path_value, match.ignore_case);
    case RouteMatch::Path::kSeparatedPrefix:
      return StartsWith(path_only, match.path_value, match.ignore_case) &&
             (path_only.size() == match.path_value.size() ||
              path_only[match.path_value.size()] == '/');
    case RouteMatch::Path::kRegex:
      return MatchesRegex(match.path_regex.get(), path_only);
    case RouteMatch::Path::kConnect:
      return path_only.empty();
  }
  return false;
}

bool Draw(const config::Fraction& fraction, Prng& prng) {
  if (fraction.numerator >= fraction.denominator) return true;
  if (fraction.numerator == 0) return false;
  return prng.Chance(fraction.numerator, fraction.denominator);
}

bool Matches(const RouteMatch& match, const RequestView& request, Prng& prng) {
  // A request without a path is CONNECT, which only what asks for it matches.
  if (request.path.empty() != (match.path == RouteMatch::Path::kConnect)) return false;
  if (!MatchesPath(match, PathOnly(request.path))) return false;
  if (!MatchesAll(match.headers, request)) return false;
  for (const config::QueryMatch& query : match.queries) {
    if (!Matches(query, request.path)) return false;
  }
  return !match.fraction.has_value() || Draw(*match.fraction, prng);
}

const config::VirtualHost* FindHost(const config::RouteTable& table, std::string_view authority) {
  const StageScope scope(Stage::kRoute);
  // Hosts are compared in lower case (RFC 3986 3.2.2); nearly all arrive that way.
  std::string lower;
  for (char c : authority) {
    if (c >= 'A' && c <= 'Z') {
      lower = text::ToLower(authority);
      authority = lower;
      break;
    }
  }
  const auto exact = table.exact.find(Abs(authority));
  if (exact != table.exact.end()) return &table.hosts[exact->second];
  for (const auto& [suffix, host] : table.suffix) {
    if (authority.size() > suffix.size() && authority.ends_with(suffix)) {
      return &table.hosts[host];
    }
  }
  for (const auto& [prefix, host] : table.prefix) {
    if (authority.size() > prefix.size() && authority.starts_with(prefix)) {
      return &table.hosts[host];
    }
  }
  return table.any == config::kNoIndex ? nullptr : &table.hosts[table.any];
}

const config::Route* FindRoute(const config::VirtualHost& host, const RequestView& request,
                               Prng& prng) {
  const StageScope scope(Stage::kRoute);
  const config::Route* found = nullptr;
  const auto matches = [&](uint32_t i) {
    if (!Matches(host.routes[i].match, request, prng)) return false;
    found = &host.routes[i];
    return true;
  };
  if (!host.index.empty() && host.index.ForEach(PathOnly(request.path), matches)) return found;
  for (uint32_t i = 0; i < host.routes.size(); ++i) {
    if (matches(i)) break;
  }
  return found;
}

const config::WeightedCluster& PickCluster(const std::vector<config::WeightedCluster>& clusters,
                                           uint64_t total_weight, Prng& prng) {
  CHECK(!clusters.empty());
  if (clusters.size() == 1) return clusters[0];
  uint64_t drawn = prng.Below(total_weight);
  for (const config::WeightedCluster& cluster : clusters) {
    if (drawn < cluster.weight) return cluster;
    drawn -= cluster.weight;
  }
  return clusters.back();  // only when total_weight exceeds the sum, which the compiler refuses
}

}  // namespace meltemi::route
