#include "l7/http/validate.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"

namespace meltemi::http {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool EqualsLower(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(),
                                                   [](char a, char b) { return Lower(a) == b; });
}

std::string_view TrimOws(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// Calls f(element) for each non-empty element of a comma separated list.
template <typename F>
void ForEachElement(std::string_view list, F&& f) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view element = TrimOws(list.substr(0, comma));
    if (!element.empty()) f(element);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
}

// 1*DIGIT, no sign, no list, no overflow.
bool ParseLength(std::string_view text, uint64_t* out) {
  if (text.empty() || text.size() > 19) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return std::from_chars(text.data(), text.data() + text.size(), *out).ec == std::errc();
}

// Transfer-Encoding: exactly one line with exactly "chunked".
Reject Encoding(const HeaderBlock& headers, Version version, bool* chunked) {
  *chunked = headers.Has(Known::kTransferEncoding);
  if (!*chunked) return Reject::kNone;
  if (version == Version::kHttp10) return Reject::kEncodingInHttp10;
  if (headers.Count(Known::kTransferEncoding) > 1 ||
      !EqualsLower(headers.Get(Known::kTransferEncoding), "chunked")) {
    return Reject::kEncodingUnsupported;
  }
  return Reject::kNone;
}

bool KeepAlive(const HeaderBlock& headers, Version version) {
  bool close = false, keep = false;
  for (const Header& h : headers.headers()) {
    if (h.known != Known::kConnection) continue;
    close |= HasToken(h.value, "close");
    keep |= HasToken(h.value, "keep-alive");
  }
  return !close && (version != Version::kHttp10 || keep);
}

Reject Target(RequestHead* head) {
  const std::string_view target = head->target;
  // A target has no fragment (RFC 9112 3.2); servers differ about where the path then ends.
  if (target.empty() || target.find('#') != std::string_view::npos) return Reject::kBadTarget;
  if (target.front() == '/') {
    head->path = target;
    return Reject::kNone;
  }
  if (target == "*") {
    if (head->method != "OPTIONS") return Reject::kBadTarget;
    head->path = target;
    return Reject::kNone;
  }
  size_t scheme = 0;  // absolute-form, RFC 9112 3.2.2
  if (target.size() > 7 && EqualsLower(target.substr(0, 7), "http://")) scheme = 7;
  if (target.size() > 8 && EqualsLower(target.substr(0, 8), "https://")) scheme = 8;
  if (scheme == 0) return Reject::kBadTarget;
  const std::string_view rest = target.substr(scheme);
  const size_t end = rest.find_first_of("/?");
  head->authority = rest.substr(0, end);
  if (!ValidAuthority(head->authority)) return Reject::kBadTarget;
  if (end == std::string_view::npos) {
    head->path = head->method == "OPTIONS" ? "*" : "/";  // RFC 9112 3.2.4
  } else if (rest[end] == '?') {
    head->path = head->headers.Keep("/" + std::string(rest.substr(end)));
    if (head->path.data() == nullptr) return Reject::kNoMemory;
  } else {
    head->path = rest.substr(end);
  }
  return Reject::kNone;
}

Reject Host(RequestHead* head) {
  const size_t count = head->headers.Count(Known::kHost);
  if (count > 1) return Reject::kHostDuplicate;
  if (count == 0) {
    // HTTP/1.0 may come without; it is then routed by an empty authority.
    return head->version == Version::kHttp10 ? Reject::kNone : Reject::kHostMissing;
  }
  const std::string_view host = head->headers.Get(Known::kHost);
  if (!ValidAuthority(host)) return Reject::kHostInvalid;
  if (head->authority.empty()) head->authority = host;  // an absolute target wins: RFC 9112 3.2.2
  return Reject::kNone;
}

bool Lists(const HeaderBlock& headers, std::string_view option) {
  bool listed = false;
  for (const Header& h : headers.headers()) {
    if (h.known == Known::kConnection) listed |= HasToken(h.value, option);
  }
  return listed;
}

bool ListsUpgrade(const HeaderBlock& headers) { return Lists(headers, "upgrade"); }

// RFC 9110 7.8. An offer of h2c alone may be ignored: RemoveHopByHop keeps it from the upstream. It
// is one as RFC 7540 3.2 has it when its settings come with it, once.
void ReadUpgrade(RequestHead* head) {
  if (!head->headers.Has(Known::kUpgrade) || head->version == Version::kHttp10) return;
  bool other = false, h2c = false;
  size_t settings = 0;
  for (const Header& h : head->headers.headers()) {
    settings += h.name == "http2-settings";
    if (h.known != Known::kUpgrade) continue;
    ForEachElement(h.value,
                   [&](std::string_view e) { (EqualsLower(e, "h2c") ? h2c : other) = true; });
  }
  if (!ListsUpgrade(head->headers)) return;
  head->upgrade = other;
  head->h2c = h2c && !other && settings == 1 && Lists(head->headers, "http2-settings");
}

// RFC 9110 9.3.6, RFC 9112 3.2.3: the target is whom to connect to. A body has no meaning there:
// who reads one and who does not would differ about where the tunnel begins.
Reject Connect(RequestHead* head) {
  if (head->version == Version::kHttp10) return Reject::kConnectRefused;
  if (!ValidAuthority(head->target) || !HasPort(head->target)) return Reject::kBadTarget;
  head->authority = head->target;
  if (const Reject r = Host(head); r != Reject::kNone) return r;
  if (head->headers.Has(Known::kTransferEncoding) || head->headers.Has(Known::kContentLength)) {
    return Reject::kConnectWithBody;
  }
  head->keep_alive = KeepAlive(head->headers, head->version);
  head->upgrade = head->connect = true;
  return Reject::kNone;
}

Reject BodyOfRequest(RequestHead* head) {
  bool has_length = false, chunked = false;
  if (const Reject r = ReadContentLength(head->headers, &has_length, &head->content_length);
      r != Reject::kNone) {
    return r;
  }
  if (const Reject r = Encoding(head->headers, head->version, &chunked); r != Reject::kNone)
    return r;
  if (has_length && chunked) return Reject::kLengthWithEncoding;
  head->framing = chunked                                  ? Framing::kChunked
                  : has_length && head->content_length > 0 ? Framing::kLength
                                                           : Framing::kNone;
  return Reject::kNone;
}

}  // namespace

// Content-Length: one valid value, however often repeated (RFC 9110 8.6 allows identical repeats;
// two lines are refused here all the same: some servers take the first, some the last).
Reject ReadContentLength(const HeaderBlock& headers, bool* present, uint64_t* length) {
  *present = headers.Has(Known::kContentLength);
  if (!*present) return Reject::kNone;
  if (headers.Count(Known::kContentLength) > 1) return Reject::kLengthDuplicate;
  return ParseLength(headers.Get(Known::kContentLength), length) ? Reject::kNone
                                                                 : Reject::kLengthInvalid;
}

bool HasToken(std::string_view list, std::string_view lower_token) {
  bool found = false;
  ForEachElement(list,
                 [&](std::string_view element) { found |= EqualsLower(element, lower_token); });
  return found;
}

bool ValidAuthority(std::string_view authority) {
  if (authority.empty()) return false;
  size_t colon = authority.rfind(':');
  if (authority.front() == '[') {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos || close < 2) return false;
    for (const char c : authority.substr(1, close - 1)) {
      if (!isxdigit(static_cast<uint8_t>(c)) && c != ':' && c != '.') return false;
    }
    if (close + 1 == authority.size()) return true;
    if (authority[close + 1] != ':') return false;
    colon = close + 1;
  } else {
    for (const char c : authority.substr(0, colon)) {
      // reg-name: unreserved, sub-delims, percent; no userinfo.
      const bool ok = isalnum(static_cast<uint8_t>(c)) ||
                      std::string_view("-._~!$&'()*+,;=%").find(c) != std::string_view::npos;
      if (!ok) return false;
    }
    if (colon == 0) return false;
    if (colon == std::string_view::npos) return true;
  }
  const std::string_view port = authority.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return !port.empty() && error == std::errc() && end == port.data() + port.size() &&
         number <= 65'535;
}

bool HasPort(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.back() == ']') return false;
  return authority.find_first_not_of('0', colon + 1) != std::string_view::npos;
}

Reject ValidateRequest(RequestHead* head) {
  if (head->method == "CONNECT") return Connect(head);
  if (const Reject r = Target(head); r != Reject::kNone) return r;
  if (const Reject r = Host(head); r != Reject::kNone) return r;
  if (const Reject r = BodyOfRequest(head); r != Reject::kNone) return r;
  head->keep_alive = KeepAlive(head->headers, head->version);
  ReadUpgrade(head);
  const std::string_view expect = head->headers.Get(Known::kExpect);
  if (expect.data() != nullptr && head->version == Version::kHttp11) {
    if (!EqualsLower(expect, "100-continue")) return Reject::kExpectUnknown;
    head->expect_continue = head->framing != Framing::kNone;
  }
  return Reject::kNone;
}

std::string_view UpgradeOf(const HeaderBlock& headers) {
  if (headers.Count(Known::kUpgrade) != 1 || !ListsUpgrade(headers)) return {};
  return headers.Get(Known::kUpgrade);
}

Reject ValidateResponse(std::string_view request_method, Asked asked, ResponseHead* head) {
  head->keep_alive = KeepAlive(head->headers, head->version);
  bool has_length = false, chunked = false;
  if (asked == Asked::kTunnel && head->status / 100 == 2) {
    head->headers.Remove(Known::kContentLength);
    head->headers.Remove(Known::kTransferEncoding);
    head->framing = Framing::kNone;
    return Reject::kNone;
  }
  if (const Reject r = ReadContentLength(head->headers, &has_length, &head->content_length);
      r != Reject::kNone) {
    return r;
  }
  if (const Reject r = Encoding(head->headers, head->version, &chunked); r != Reject::kNone)
    return r;
  if (has_length && chunked) return Reject::kLengthWithEncoding;
  // RFC 9110 15.2.2: only who was asked may switch, and says to what.
  if (head->status == 101 && (asked != Asked::kUpgrade || UpgradeOf(head->headers).empty())) {
    return Reject::kSwitchingRefused;
  }
  // RFC 9112 6.3, in its order.
  if (request_method == "HEAD" || head->status < 200 || head->status == 204 ||
      head->status == 304) {
    head->framing = Framing::kNone;
    // A server that announces a body where none may be might send it: what follows is not to be
    // trusted to be the next response.
    const bool never = head->status < 200 || head->status == 204;
    if (never && (chunked || (has_length && head->content_length > 0))) head->keep_alive = false;
  } else if (chunked) {
    head->framing = Framing::kChunked;
  } else if (has_length) {
    head->framing = head->content_length > 0 ? Framing::kLength : Framing::kNone;
  } else {
    head->framing = Framing::kUntilClose;
    head->keep_alive = false;
  }
  return Reject::kNone;
}

void RemoveHopByHop(HeaderBlock* headers) {
  absl::InlinedVector<std::string, 4> listed;
  for (const Header& h : headers->headers()) {
    if (h.known != Known::kConnection) continue;
    ForEachElement(h.value, [&](std::string_view element) {
      std::string name(element);
      std::transform(name.begin(), name.end(), name.begin(), Lower);
      if (name != "close" && name != "keep-alive") listed.push_back(std::move(name));
    });
  }
  for (const std::string& name : listed) {
    // A peer must not be able to strip what we decide by (RFC 9110 7.6.1 forbids it too).
    const bool ours = name == "host" || name == "content-length" || name.starts_with("x-envoy-") ||
                      name.starts_with("x-forwarded-") || name == "authorization" ||
                      name == "cookie";
    if (!ours) headers->Remove(name);
  }
  for (const Known known : {Known::kConnection, Known::kKeepAlive, Known::kProxyConnection,
                            Known::kTe, Known::kTransferEncoding, Known::kUpgrade}) {
    headers->Remove(known);
  }
}

}  // namespace meltemi::http
