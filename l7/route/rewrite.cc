#include "l7/route/rewrite.h"

#include <algorithm>

#include "l7/base/text.h"

namespace meltemi::route {
namespace {

// How much of the path the match covered: what prefix_rewrite replaces.
size_t MatchedSize(const config::RouteMatch& match, std::string_view path_only) {
  switch (match.path) {
    case config::RouteMatch::Path::kPrefix:
    case config::RouteMatch::Path::kSeparatedPrefix:
      return std::min(match.path_value.size(), path_only.size());
    case config::RouteMatch::Path::kExact:
    case config::RouteMatch::Path::kRegex:
    case config::RouteMatch::Path::kConnect:
      return path_only.size();
  }
  return 0;
}

// "www.example.com:80" -> "www.example.com"; "[::1]:80" -> "[::1]".
std::string_view WithoutPort(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return authority;
  const size_t bracket = authority.rfind(']');
  if (bracket != std::string_view::npos && bracket > colon) return authority;
  return authority.substr(0, colon);
}

}  // namespace

bool RewritePath(const config::Forward& forward, const config::RouteMatch& match,
                 std::string_view path, std::string* out) {
  const std::string_view only = PathOnly(path);
  const std::string_view query = path.substr(only.size());
  if (forward.prefix_rewrite.has_value()) {
    out->clear();
    AppendTo(out, *forward.prefix_rewrite, only.substr(MatchedSize(match, only)), query);
    return true;
  }
  if (forward.regex_rewrite != nullptr) {
    std::string rewritten(only);
    RE2::GlobalReplace(&rewritten, *forward.regex_rewrite, forward.regex_substitution);
    *out = rewritten.append(query);
    return true;
  }
  return false;
}

std::string RedirectLocation(const config::Redirect& redirect, const config::RouteMatch& match,
                             const RequestView& request) {
  const std::string_view scheme =
      redirect.scheme.empty() ? request.scheme : std::string_view(redirect.scheme);
  std::string_view host = request.authority;
  if (!redirect.host.empty()) {
    host = redirect.host;
  } else if (redirect.port != 0 || !redirect.scheme.empty()) {
    // Envoy: another scheme drops the port of the old one.
    host = WithoutPort(host);
  }
  std::string location;
  AppendTo(&location, scheme, "://", host);
  if (redirect.port != 0) {
    location += ':';
    AppendTo(&location, redirect.port);
  }
  const std::string_view only = PathOnly(request.path);
  const std::string_view query = request.path.substr(only.size());
  if (redirect.path.has_value()) {
    AppendTo(&location, *redirect.path);
    if (redirect.path->find('?') != std::string::npos) return location;
  } else if (redirect.prefix_rewrite.has_value()) {
    AppendTo(&location, *redirect.prefix_rewrite, only.substr(MatchedSize(match, only)));
  } else {
    AppendTo(&location, only);
  }
  if (!redirect.strip_query) AppendTo(&location, query);
  return location;
}

}  // namespace meltemi::route
