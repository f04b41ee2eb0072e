#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "l7/http/validate.h"
#include "l7/http1/testing/streams.h"

namespace meltemi::http1 {
namespace {

using http::Reject;

template <typename Predicate>
bool AnyMessage(const Outcome& outcome, Predicate predicate) {
  return predicate(outcome.unfinished) ||
         std::any_of(outcome.messages.begin(), outcome.messages.end(), predicate);
}

bool HasNamelessField(const Outcome& outcome) {
  const auto nameless = [](const Fields& fields) {
    return std::any_of(fields.begin(), fields.end(), [](const auto& f) { return f.first.empty(); });
  };
  return AnyMessage(outcome,
                    [&](const Message& m) { return nameless(m.headers) || nameless(m.trailers); });
}

bool HasControlInReason(const Outcome& outcome) {
  return AnyMessage(outcome, [](const Message& m) {
    return std::any_of(m.reason.begin(), m.reason.end(), [](char c) {
      return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
  });
}

// A Content-Length of more digits than any number needs ("000...04").
bool HasLongLength(const Outcome& outcome) {
  return AnyMessage(outcome, [](const Message& m) {
    return std::any_of(m.headers.begin(), m.headers.end(), [](const auto& f) {
      return f.first == "content-length" && f.second.size() > 19;
    });
  });
}

std::vector<std::string_view> Lines(std::string_view bytes) {
  std::vector<std::string_view> lines;
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find("\r\n"), bytes.size());
    lines.push_back(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 2, bytes.size()));
  }
  return lines;
}

// "Transfer-Encoding: chunked HTAB": llhttp does not take the tab for white space (RFC 9110 5.5
// does). What we pass on has framing fields of our own making.
bool FramingFieldEndsWithTab(std::string_view bytes) {
  for (const std::string_view line : Lines(bytes)) {
    std::string lower(line);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const bool framing =
        lower.starts_with("content-length") || lower.starts_with("transfer-encoding");
    if (framing && lower.find('\t') != std::string::npos) return true;
  }
  return false;
}

bool HasTwoExtensions(std::string_view bytes) {
  for (const std::string_view line : Lines(bytes)) {
    const size_t value = line.find('=', std::min(line.find(';'), line.size()));
    if (value != std::string_view::npos && line.find(';', value) != std::string_view::npos)
      return true;
  }
  return false;
}

// A chunk extension with a quoted-pair in its value.
bool HasQuotedPair(std::string_view bytes) {
  for (const std::string_view line : Lines(bytes)) {
    const size_t quote = line.find("=\"", std::min(line.find(';'), line.size()));
    if (quote != std::string_view::npos && line.find('\\', quote) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

// Where we refuse what llhttp takes: on purpose, each for the reason given. Everything that is not
// in this list must be refused by both.
bool StricterOnPurpose(Reject reject, const Outcome& oracle) {
  switch (reject) {
    // llhttp leaves these to its caller: it does not look at Host, does not know methods we refuse,
    // and has no limits.
    case Reject::kHostMissing:
    case Reject::kHostDuplicate:
    case Reject::kHostInvalid:
    case Reject::kConnectRefused:
    case Reject::kSwitchingRefused:
    case Reject::kExpectUnknown:
    case Reject::kHeadersTooLarge:
    case Reject::kTooManyHeaders:
    case Reject::kChunkLineTooLong:
    case Reject::kTrailersTooLarge:
    case Reject::kBadTrailer:
      return true;
    // llhttp reads "gzip, chunked", and any coding in a response; two lines; and chunked in
    // HTTP/1.0.
    case Reject::kEncodingUnsupported:
    case Reject::kEncodingInHttp10:
      return true;
    // llhttp joins folded lines (RFC 9112 5.2 lets a server refuse them).
    case Reject::kObsoleteFold:
      return true;
    // llhttp reads 0.9 and 2.0 as versions of this syntax.
    case Reject::kBadVersion:
      return true;
    // A fragment, userinfo or an empty host in the target; an absolute target of another scheme.
    case Reject::kBadTarget:
      return true;
    // llhttp skips spaces before "HTTP/".
    case Reject::kBadRequestLine:
      return true;
    // llhttp reads a status of one digit and of none, and skips empty lines before a response.
    case Reject::kBadStatusLine:
      return true;
    // llhttp takes an extension without a name.
    case Reject::kBadChunkExtension:
      return true;
    // A line that ends with LF alone (RFC 9112 2.2: may be accepted, need not).
    case Reject::kBareLineEnd:
      return true;
    // llhttp takes a line without a name (": value").
    case Reject::kBadHeaderName:
      return HasNamelessField(oracle);
    // llhttp takes control characters in a reason phrase.
    case Reject::kBadHeaderValue:
      return HasControlInReason(oracle);
    // llhttp takes any number of leading zeros; servers that read a fixed width differ.
    case Reject::kLengthInvalid:
      return HasLongLength(oracle);
    default:  // the rest is grammar: both must refuse
      return false;
  }
}

// Where llhttp refuses what we take, by the name of its error.
bool LooserOnPurpose(std::string_view bytes, const Outcome& ours, const std::string& oracle_error) {
  // llhttp refuses a second extension after one with a value; RFC 9112 7.1.1 allows it.
  if (oracle_error == "HPE_INVALID_CHUNK_SIZE" && HasTwoExtensions(bytes)) return true;
  // llhttp knows no quoted-pair in an extension's value; RFC 9110 5.6.4 does.
  if (oracle_error == "HPE_STRICT" && HasQuotedPair(bytes)) return true;
  // llhttp has a list of methods; RFC 9110 9.1 has none: any token may be one.
  if (oracle_error == "HPE_INVALID_METHOD") return true;
  // llhttp's list of characters in a target is RFC 3986's and more; we take any visible ASCII but
  // '#'.
  if (oracle_error == "HPE_INVALID_URL") return true;
  // llhttp wants methods to fit the protocol: SOURCE is only for ICE, RTSP's only for RTSP.
  if (oracle_error == "HPE_INVALID_CONSTANT") {
    return !ours.messages.empty();
  }
  return false;
}

bool SaysClose(const Message& m) {
  return std::any_of(m.headers.begin(), m.headers.end(), [](const auto& f) {
    return f.first == "connection" && http::HasToken(f.second, "close");
  });
}

// A response that has no body (RFC 9110 6.4.1) and says that it has one. A 304 may say what length
// the body would have; llhttp waits for it.
bool Announced(const Message& m) {
  if (m.status != 204 && m.status != 304 && (m.status == 0 || m.status >= 200)) return false;
  return std::any_of(m.headers.begin(), m.headers.end(), [](const auto& f) {
    return f.first == "transfer-encoding" || (f.first == "content-length" && f.second != "0");
  });
}

// A message of ours against llhttp's; "" when equal.
std::string CompareMessages(const Message& ours, const Message& theirs) {
  if (ours.method != theirs.method) return "method";
  if (ours.target != theirs.target) return "target";
  if (ours.status != theirs.status) return "status";
  if (ours.reason != theirs.reason) return "reason";
  if (ours.minor != theirs.minor) return "version";
  if (ours.headers != theirs.headers) return "headers";
  if (ours.keep_alive && !theirs.keep_alive) return "keep_alive";
  // "close, keep-alive": llhttp believes the last one, we close (RFC 9112 9.3).
  if (!ours.keep_alive && theirs.keep_alive && !Announced(ours) && !SaysClose(ours)) {
    return "keep_alive";
  }
  return "";
}

}  // namespace

std::string Differences(std::string_view bytes, const Outcome& ours, const Outcome& oracle) {
  if (FramingFieldEndsWithTab(bytes)) return "";
  const size_t both = std::min(ours.messages.size(), oracle.messages.size());
  for (size_t i = 0; i < both; ++i) {
    const Message& a = ours.messages[i];
    const Message& b = oracle.messages[i];
    if (std::string what = CompareMessages(a, b); !what.empty()) return what;
    // What follows a response that has no body but announces one is read in two ways.
    if (Announced(a)) return "";
    // After an upgrade llhttp reads no more: we refuse them or, with h2c, go on.
    if (oracle.upgrade && i + 1 == oracle.messages.size()) return "";
    if (a.complete && b.complete && a.body != b.body) return "body";
    if (a.complete && b.complete && a.trailers != b.trailers) return "trailers";
    if (!a.body.starts_with(b.body) && !b.body.starts_with(a.body)) return "part of body";
    if (a.complete && !b.complete) {
      return LooserOnPurpose(bytes, ours, oracle.oracle_error) ? ""
                                                               : "only llhttp finds it incomplete";
    }
    if (!a.complete && b.complete) {
      if (ours.error && StricterOnPurpose(ours.reject, oracle)) return "";
      return "only we find it incomplete";
    }
    if (!a.keep_alive && a.complete) return "";  // the connection ends here
  }
  if (ours.messages.size() > both) {
    return LooserOnPurpose(bytes, ours, oracle.oracle_error) ? "" : "only we see another message";
  }
  if (oracle.messages.size() > both) {
    if (oracle.upgrade && ours.error) return "";
    if (ours.error && StricterOnPurpose(ours.reject, oracle)) return "";
    return "only llhttp sees another message";
  }
  if (ours.error && !oracle.error && !StricterOnPurpose(ours.reject, oracle)) {
    return "only we refuse";
  }
  if (!ours.error && oracle.error) {
    // We look at a head, and at trailers, when they are whole: llhttp may refuse a part already.
    const bool in_head = ours.messages.empty() || ours.messages.back().complete;
    const bool in_trailers = !in_head && (!oracle.messages.back().trailers.empty() ||
                                          oracle.oracle_error == "HPE_INVALID_HEADER_TOKEN");
    if (!in_head && !in_trailers && !LooserOnPurpose(bytes, ours, oracle.oracle_error))
      return "only llhttp refuses";
  }
  return "";
}

}  // namespace meltemi::http1
