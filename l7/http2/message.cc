#include "l7/http2/message.h"

#include <array>
#include <string>

#include "l7/http/validate.h"

namespace meltemi::http2 {
namespace {

using http::Known;
using http::Reject;

// RFC 9113 8.2.1, and RFC 9110 5.6.2 without upper case.
constexpr std::array<bool, 256> NameBytes() {
  std::array<bool, 256> ok{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) {
    ok[static_cast<uint8_t>(c)] = true;
  }
  return ok;
}
constexpr std::array<bool, 256> kNameBytes = NameBytes();

bool ValidName(std::string_view name) {
  if (name.empty()) return false;
  for (const char c : name) {
    if (!kNameBytes[static_cast<uint8_t>(c)]) return false;
  }
  return true;
}

// Stricter than 8.2.1: no control characters but a tab, as for HTTP/1 (RFC 9110 5.5).
bool ValidValue(std::string_view value) {
  if (value.empty()) return true;
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  if (space(value.front()) || space(value.back())) return false;
  for (const char c : value) {
    const auto byte = static_cast<uint8_t>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  }
  return true;
}

bool ConnectionSpecific(const http::Header& h) {  // 8.2.2
  if (h.known == Known::kTe) return h.value != "trailers";
  return h.known == Known::kConnection || h.known == Known::kKeepAlive ||
         h.known == Known::kProxyConnection || h.known == Known::kTransferEncoding ||
         h.known == Known::kUpgrade;
}

Reject CheckFields(const http::HeaderBlock& headers) {
  for (const http::Header& h : headers.headers()) {
    if (!ValidName(h.name) || !ValidValue(h.value)) return Reject::kHttp2Field;
    if (ConnectionSpecific(h)) return Reject::kHttp2Field;
  }
  return Reject::kNone;
}

// How the body's end is known: DATA frames until END_STREAM, and content-length says how many bytes
// that must be (8.1.1).
template <typename Head>
Reject SetFraming(bool ended, Head* head) {
  bool has_length = false;
  if (const Reject r = http::ReadContentLength(head->headers, &has_length, &head->content_length);
      r != Reject::kNone) {
    return r;
  }
  if (ended || (has_length && head->content_length == 0)) {
    head->framing = http::Framing::kNone;
  } else {
    head->framing = has_length ? http::Framing::kLength : http::Framing::kChunked;
  }
  return Reject::kNone;
}

Reject TakeAuthority(const Fields& fields, http::RequestHead* head) {
  http::HeaderBlock& headers = head->headers;
  if (headers.Count(Known::kHost) > 1) return Reject::kHostDuplicate;
  const std::string_view host = headers.Get(Known::kHost);
  head->authority = fields.authority.data() != nullptr ? fields.authority : host;
  if (head->authority.data() == nullptr) return Reject::kHostMissing;
  if (!http::ValidAuthority(head->authority)) return Reject::kHostInvalid;
  // 8.3.1: they must not differ; a server behind us would have to choose.
  if (host.data() != nullptr && host != head->authority) return Reject::kHttp2Messaging;
  return Reject::kNone;
}

// 8.2.3: several cookie fields are one, for whoever speaks another version.
bool JoinCookies(http::HeaderBlock* headers) {
  if (headers->Count(Known::kCookie) < 2) return true;
  std::string joined;
  for (const http::Header& h : headers->headers()) {
    if (h.known != Known::kCookie) continue;
    if (!joined.empty()) joined += "; ";
    joined += h.value;
  }
  return headers->Set(Known::kCookie, joined);
}

bool ValidProtocol(std::string_view name) {
  for (const char c : name) {
    if (static_cast<uint8_t>(c) <= 0x20 || static_cast<uint8_t>(c) >= 0x7f || c == ',')
      return false;
  }
  return !name.empty();
}

// RFC 9113 8.5: whom to connect to, and nothing else; no body, as what follows is the tunnel's.
Reject MakeConnect(Fields&& fields, bool ended, http::RequestHead* head) {
  if (fields.path.data() != nullptr || fields.scheme.data() != nullptr || ended) {
    return Reject::kHttp2Messaging;
  }
  if (const Reject r = CheckFields(fields.headers); r != Reject::kNone) return r;
  head->headers = std::move(fields.headers);
  head->method = fields.method;
  head->version = http::Version::kHttp2;
  if (const Reject r = TakeAuthority(fields, head); r != Reject::kNone) return r;
  if (!http::HasPort(head->authority)) return Reject::kBadTarget;
  if (head->headers.Has(Known::kContentLength)) return Reject::kHttp2Messaging;
  head->target = head->authority;
  head->upgrade = head->connect = true;
  return JoinCookies(&head->headers) ? Reject::kNone : Reject::kNoMemory;
}

// RFC 8441 4. The pseudo-header fields of a request are checked by the caller.
Reject BecomeUpgrade(std::string_view protocol, bool ended, http::RequestHead* head) {
  const bool body = head->headers.Has(Known::kContentLength);
  if (ended || body || !ValidProtocol(protocol)) return Reject::kHttp2Messaging;
  head->method = "GET";
  head->upgrade = true;
  const bool ok = head->headers.Add(Known::kConnection, "upgrade") &&
                  head->headers.Add(Known::kUpgrade, protocol);
  return ok ? Reject::kNone : Reject::kNoMemory;
}

}  // namespace

Reject MakeRequest(Fields&& fields, bool ended, bool extended, http::RequestHead* head) {
  if (fields.malformed || fields.status.data() != nullptr) return Reject::kHttp2Messaging;
  const bool connect = fields.method == "CONNECT", protocol = fields.protocol.data() != nullptr;
  if (protocol && !connect) return Reject::kHttp2Messaging;
  if (connect && !extended) return Reject::kConnectRefused;
  if (connect && !protocol) return MakeConnect(std::move(fields), ended, head);
  if (fields.method.empty() || fields.path.empty() || fields.scheme.empty()) {
    return Reject::kHttp2Messaging;
  }
  if (fields.scheme != "http" && fields.scheme != "https") return Reject::kHttp2Messaging;
  for (const char c : fields.method) {
    const bool token = kNameBytes[static_cast<uint8_t>(c)] || (c >= 'A' && c <= 'Z');
    if (!token) return Reject::kBadMethod;
  }
  const bool any = fields.path == "*" && fields.method == "OPTIONS";
  if (fields.path.front() != '/' && !any) return Reject::kBadTarget;
  for (const char c : fields.path) {
    if (static_cast<uint8_t>(c) <= 0x20 || c == 0x7f || c == '#') return Reject::kBadTarget;
  }
  if (const Reject r = CheckFields(fields.headers); r != Reject::kNone) return r;
  head->headers = std::move(fields.headers);
  head->method = fields.method;
  head->target = head->path = fields.path;
  head->version = http::Version::kHttp2;
  if (const Reject r = TakeAuthority(fields, head); r != Reject::kNone) return r;
  if (!JoinCookies(&head->headers)) return Reject::kNoMemory;
  if (connect) return BecomeUpgrade(fields.protocol, ended, head);
  if (const Reject r = SetFraming(ended, head); r != Reject::kNone) return r;
  if (ended && head->content_length > 0) return Reject::kHttp2Messaging;
  const std::string_view expect = head->headers.Get(Known::kExpect);
  if (expect.data() != nullptr) {
    if (expect != "100-continue") return Reject::kExpectUnknown;
    head->expect_continue = head->framing != http::Framing::kNone;
  }
  return Reject::kNone;
}

Reject MakeResponse(Fields&& fields, std::string_view request_method, bool ended,
                    http::ResponseHead* head) {
  const bool request_fields = fields.method.data() != nullptr || fields.path.data() != nullptr ||
                              fields.scheme.data() != nullptr || fields.authority.data() != nullptr;
  if (fields.malformed || request_fields || fields.status.size() != 3) {
    return Reject::kHttp2Messaging;
  }
  uint16_t status = 0;
  for (const char c : fields.status) {
    if (c < '0' || c > '9') return Reject::kHttp2Messaging;
    status = static_cast<uint16_t>(status * 10 + (c - '0'));
  }
  // 8.6: 101 is not used. 8.1: an interim response does not end the stream.
  if (status < 100 || status == 101 || (status < 200 && ended)) return Reject::kHttp2Messaging;
  if (const Reject r = CheckFields(fields.headers); r != Reject::kNone) return r;
  head->headers = std::move(fields.headers);
  head->status = status;
  head->version = http::Version::kHttp2;
  if (request_method == "CONNECT" && status / 100 == 2) {  // RFC 9110 9.3.6: no length counts
    head->headers.Remove(Known::kContentLength);
    head->framing = ended ? http::Framing::kNone : http::Framing::kChunked;
    return Reject::kNone;
  }
  if (const Reject r = SetFraming(ended, head); r != Reject::kNone) return r;
  const bool bodiless = request_method == "HEAD" || status < 200 || status == 204 || status == 304;
  if (bodiless) head->framing = http::Framing::kNone;
  if (ended && head->content_length > 0 && !bodiless) return Reject::kHttp2Messaging;
  return Reject::kNone;
}

Reject CheckTrailers(const Fields& fields) {
  const bool pseudo = fields.method.data() != nullptr || fields.path.data() != nullptr ||
                      fields.scheme.data() != nullptr || fields.authority.data() != nullptr ||
                      fields.status.data() != nullptr || fields.protocol.data() != nullptr;
  if (fields.malformed || pseudo) return Reject::kHttp2Messaging;
  return CheckFields(fields.headers);
}

void ListRequest(std::string_view method, std::string_view scheme, std::string_view authority,
                 std::string_view path, const http::HeaderBlock& headers, FieldList* out) {
  out->push_back(Field(":method", method, Known::kOther));
  out->push_back(Field(":scheme", scheme, Known::kOther));
  if (!authority.empty()) out->push_back(Field(":authority", authority, Known::kOther));
  out->push_back(Field(":path", path, Known::kOther));
  for (const http::Header& h : headers.headers()) {
    if (h.known != Known::kHost) out->push_back(Field(h.name, h.value, h.known));
  }
}

void ListConnect(std::string_view authority, const http::HeaderBlock& headers, FieldList* out) {
  out->push_back(Field(":method", "CONNECT", Known::kOther));
  out->push_back(Field(":authority", authority, Known::kOther));
  for (const http::Header& h : headers.headers()) {
    if (h.known != Known::kHost) out->push_back(Field(h.name, h.value, h.known));
  }
}

void ListExtendedConnect(std::string_view protocol, std::string_view scheme,
                         std::string_view authority, std::string_view path,
                         const http::HeaderBlock& headers, FieldList* out) {
  out->push_back(Field(":method", "CONNECT", Known::kOther));
  out->push_back(Field(":protocol", protocol, Known::kOther));
  out->push_back(Field(":scheme", scheme, Known::kOther));
  if (!authority.empty()) out->push_back(Field(":authority", authority, Known::kOther));
  out->push_back(Field(":path", path, Known::kOther));
  for (const http::Header& h : headers.headers()) {
    const bool hop = h.known == Known::kConnection || h.known == Known::kUpgrade ||
                     h.known == Known::kContentLength;  // of nothing
    if (h.known != Known::kHost && !hop) out->push_back(Field(h.name, h.value, h.known));
  }
}

void ListResponse(std::string_view status, const http::HeaderBlock& headers, FieldList* out) {
  out->push_back(Field(":status", status, Known::kOther));
  ListTrailers(headers, out);
}

void ListTrailers(const http::HeaderBlock& headers, FieldList* out) {
  for (const http::Header& h : headers.headers()) out->push_back(Field(h.name, h.value, h.known));
}

}  // namespace meltemi::http2
