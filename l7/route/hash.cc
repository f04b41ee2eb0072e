#include "l7/route/hash.h"

#include <algorithm>
#include <bit>

#include "l7/base/text.h"
#include "l7/base/xx_hash.h"

namespace meltemi::route {
namespace {

using config::HashPolicy;

std::string Hex(uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[(value >> shift) & 15];
  return text;
}

// As Envoy: what tells clients apart is their connection, and only until they have the cookie.
std::string ValueFor(const SockAddr& client, const SockAddr& local) {
  return Hex(XxHash64(Cat(client.ToString(), " ", local.ToString())));
}

std::string CookieLine(const HashPolicy& policy, std::string_view value) {
  std::string line = Cat(policy.name, "=\"", value, "\"");
  if (!policy.ttl->zero()) AppendTo(&line, "; Max-Age=", policy.ttl->nanos() / 1'000'000'000);
  if (!policy.path.empty()) AppendTo(&line, "; Path=", policy.path);
  line += "; HttpOnly";
  return line;
}

std::optional<uint64_t> HashOfCookie(const HashPolicy& policy, const HashSource& source,
                                     RequestHash* out) {
  const std::optional<std::string_view> header = source.request.header("cookie");
  const auto value = header.has_value() ? CookieValue(*header, policy.name) : std::nullopt;
  if (value.has_value() && !value->empty()) return XxHash64(*value);
  if (!policy.ttl.has_value()) return std::nullopt;
  const std::string made = ValueFor(source.client, source.local);
  out->set_cookie.push_back(CookieLine(policy, made));
  return XxHash64(made);
}

std::optional<uint64_t> HashBy(const HashPolicy& policy, const HashSource& source,
                               RequestHash* out) {
  switch (policy.kind) {
    case HashPolicy::Kind::kHeader: {
      const auto value = source.request.header(policy.name);
      if (!value.has_value()) return std::nullopt;
      return XxHash64(*value);
    }
    case HashPolicy::Kind::kCookie:
      return HashOfCookie(policy, source, out);
    case HashPolicy::Kind::kSourceIp:
      return HashOfIp(source.client.ip);
    case HashPolicy::Kind::kQueryParameter: {
      const auto value = QueryValue(source.request.path, policy.name);
      if (!value.has_value()) return std::nullopt;
      return XxHash64(*value);
    }
  }
  return std::nullopt;
}

}  // namespace

RequestHash HashOf(const std::vector<HashPolicy>& policies, const HashSource& source) {
  RequestHash out;
  for (const HashPolicy& policy : policies) {
    const std::optional<uint64_t> hash = HashBy(policy, source, &out);
    if (hash.has_value()) {
      out.hash = out.hash.has_value() ? std::rotl(*out.hash, 1) ^ *hash : *hash;
    }
    if (policy.terminal && out.hash.has_value()) break;
  }
  return out;
}

std::string MadeCookie(const std::vector<HashPolicy>& policies, const SockAddr& client,
                       const SockAddr& local) {
  for (const HashPolicy& policy : policies) {
    if (policy.ttl.has_value()) return CookieLine(policy, ValueFor(client, local));
  }
  return "";
}

uint64_t HashOfIp(const IpAddr& ip) { return XxHash64(ip.ToString()); }

std::optional<std::string_view> CookieValue(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const size_t end = std::min(header.find(';'), header.size());
    std::string_view pair = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    while (!pair.empty() && pair.back() == ' ') pair.remove_suffix(1);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    std::string_view value = pair.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> QueryValue(std::string_view path, std::string_view name) {
  path = path.substr(0, path.find('#'));
  const size_t mark = path.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  std::string_view query = path.substr(mark + 1);
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) {
      return pair.substr(std::min(equals + 1, pair.size()));
    }
  }
  return std::nullopt;
}

}  // namespace meltemi::route
