#include "l7/http1/head_parser.h"

#include <cstring>

#include "l7/http1/scan.h"

namespace meltemi::http1 {
namespace {

using http::Reject;

// "HTTP/1.0" or "HTTP/1.1": there is no other minor version of HTTP/1.
bool ParseVersion(const char* p, http::Version* version) {
  if (std::memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1')) return false;
  *version = p[7] == '0' ? http::Version::kHttp10 : http::Version::kHttp11;
  return true;
}

// The line end that follows good bytes at `p`.
Reject LineEnd(const char* p, const char* end) {
  if (p < end && *p == '\n') return Reject::kBareLineEnd;
  if (end - p < 2 || *p != '\r') return Reject::kBadHeaderValue;
  return p[1] == '\n' ? Reject::kNone : Reject::kBareLineEnd;
}

}  // namespace

http::Reject ParseField(char** at, char* end, FieldLine* out) {
  char* p = *at;
  if (end - p < 2) return Reject::kBadHeaderName;
  if (p[0] == '\r' && p[1] == '\n') {
    *at = p + 2;
    *out = FieldLine();
    return Reject::kNone;
  }
  if (*p == ' ' || *p == '\t') return Reject::kObsoleteFold;
  char* const name = p;
  for (; p < end; ++p) {
    const uint8_t lower = kTokenLower[static_cast<uint8_t>(*p)];
    if (lower == 0) break;
    *p = static_cast<char>(lower);
  }
  if (p == end || *p != ':' || p == name) return Reject::kBadHeaderName;
  out->name = std::string_view(name, p - name);
  ++p;
  while (p < end && (*p == ' ' || *p == '\t')) ++p;
  char* const value = p;
  p = FindValueEnd(p, end);
  if (const Reject r = LineEnd(p, end); r != Reject::kNone) return r;
  char* value_end = p;
  while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
  out->value = std::string_view(value, value_end - value);
  *at = p + 2;
  return Reject::kNone;
}

http::Reject ParseFields(char* p, char* end, const HeadLimits& limits, http::HeaderBlock* out) {
  FieldLine line;
  for (uint32_t count = 0;; ++count) {
    if (const Reject r = ParseField(&p, end, &line); r != Reject::kNone) return r;
    if (line.name.empty()) return Reject::kNone;
    if (count == limits.header_count_max) return Reject::kTooManyHeaders;
    if (!out->AddView(line.name, line.value, http::FindKnown(line.name))) {
      return Reject::kNoMemory;
    }
  }
}

http::Reject ParseRequestHead(char* head, char* end, const HeadLimits& limits,
                              http::RequestHead* out) {
  out->wire_bytes = static_cast<uint32_t>(end - head);
  char* p = head;
  while (p < end && kTokenLower[static_cast<uint8_t>(*p)] != 0) ++p;
  if (p == head || p == end || *p != ' ') return Reject::kBadMethod;
  out->method = std::string_view(head, p - head);
  char* const target = ++p;
  p = FindTargetEnd(p, end);
  if (p == target || p == end || *p != ' ') return Reject::kBadTarget;
  out->target = std::string_view(target, p - target);
  ++p;
  if (end - p < 10) return Reject::kBadRequestLine;
  if (!ParseVersion(p, &out->version)) {
    return std::memcmp(p, "HTTP/", 5) == 0 ? Reject::kBadVersion : Reject::kBadRequestLine;
  }
  if (p[8] != '\r' || p[9] != '\n') {
    return p[8] == '\n' ? Reject::kBareLineEnd : Reject::kBadRequestLine;
  }
  return ParseFields(p + 10, end, limits, &out->headers);
}

http::Reject ParseResponseHead(char* head, char* end, const HeadLimits& limits,
                               http::ResponseHead* out) {
  out->wire_bytes = static_cast<uint32_t>(end - head);
  // "HTTP/1.1 200" and at least a line end.
  if (end - head < 14 || !ParseVersion(head, &out->version) || head[8] != ' ') {
    return Reject::kBadStatusLine;
  }
  uint16_t status = 0;
  for (int i = 9; i < 12; ++i) {
    if (head[i] < '0' || head[i] > '9') return Reject::kBadStatusLine;
    status = static_cast<uint16_t>(status * 10 + (head[i] - '0'));
  }
  if (status < 100) return Reject::kBadStatusLine;
  out->status = status;
  char* p = head + 12;
  if (*p == ' ') {
    char* const reason = ++p;
    p = FindValueEnd(p, end);
    out->reason = std::string_view(reason, p - reason);
  }
  if (const Reject r = LineEnd(p, end); r != Reject::kNone) {
    return r == Reject::kBareLineEnd ? r : Reject::kBadStatusLine;
  }
  return ParseFields(p + 2, end, limits, &out->headers);
}

}  // namespace meltemi::http1
