#include "l7/http1/testing/streams.h"

#include <algorithm>
#include <cstring>

#include "l7/base/heap_buffer_pool.h"
#include "l7/base/text.h"
#include "l7/http1/decoder.h"

namespace meltemi::http1 {
namespace {

constexpr uint32_t kPiece = 16 * 1024;

Fields FieldsOf(const http::HeaderBlock& headers) {
  Fields fields;
  for (const http::Header& h : headers.headers()) fields.emplace_back(h.name, h.value);
  return fields;
}

// "name: value CRLF" lines, as BodyDecoder gives them.
Fields FieldsOf(std::string_view lines) {
  Fields fields;
  while (!lines.empty()) {
    const size_t end = lines.find("\r\n"), colon = lines.find(':');
    std::string_view value = lines.substr(colon + 1, end - colon - 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
      value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    fields.emplace_back(lines.substr(0, colon), value);
    lines.remove_prefix(end + 2);
  }
  return fields;
}

Message FromHead(const http::RequestHead& head) {
  return {.method = std::string(head.method), .target = std::string(head.target)};
}
Message FromHead(const http::ResponseHead& head) {
  return {.status = head.status, .reason = std::string(head.reason)};
}

// Feeds a decoder until it wants more. False: stop.
template <typename Decoder>
bool Pump(Decoder* decoder, Chain* in, Outcome* outcome) {
  while (true) {
    switch (decoder->Next(in)) {
      case Event::kNeedMore:
        return true;
      case Event::kHead: {
        const auto head = decoder->TakeHead();
        Message m = FromHead(head);
        m.minor = head.version == http::Version::kHttp10 ? 0 : 1;
        m.keep_alive = head.keep_alive;
        m.headers = FieldsOf(head.headers);
        outcome->messages.push_back(std::move(m));
        break;
      }
      case Event::kBody:
        outcome->messages.back().body += decoder->TakeBody().ToString();
        break;
      case Event::kEnd:
        outcome->messages.back().complete = true;
        outcome->messages.back().trailers = FieldsOf(decoder->trailers());
        if (!outcome->messages.back().keep_alive) return false;
        break;
      case Event::kError:
        outcome->error = true;
        outcome->reject = decoder->reject();
        return false;
    }
  }
}

size_t PieceSize(Prng* splits) {
  if (splits == nullptr) return kPiece;
  switch (splits->Below(3)) {
    case 0:
      return 1;
    case 1:
      return 1 + splits->Below(4);
    default:
      return 1 + splits->Below(200);
  }
}

// True: the decoder wants more and there is no more.
template <typename Decoder>
bool Feed(Decoder* decoder, std::string_view bytes, Prng* splits, BufferPool* pool,
          Outcome* outcome) {
  Chain in;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, PieceSize(splits));
    bytes.remove_prefix(piece.size());
    CHECK(AppendCopy(pool, piece, &in));
    // Sometimes two slices arrive at once.
    if (splits != nullptr && splits->Chance(1, 4)) continue;
    if (!Pump(decoder, &in, outcome)) return false;
  }
  return Pump(decoder, &in, outcome);
}

}  // namespace

std::string Describe(const Outcome& outcome) {
  std::string text;
  for (const Message& m : outcome.messages) {
    text += Cat("  [", m.method, " ", m.target, " ", m.status, " HTTP/1.", m.minor,
                " keep_alive=", m.keep_alive, " complete=", m.complete, " body=", m.body.size(),
                ":", m.body);
    for (const auto& [name, value] : m.headers) text += Cat(" ", name, "=", value, ";");
    for (const auto& [name, value] : m.trailers) text += Cat(" trailer ", name, "=", value, ";");
    text += "]\n";
  }
  return Cat(text, "  error=", outcome.error, " ", http::DetailsOf(outcome.reject),
             outcome.oracle_error, outcome.upgrade ? " upgrade" : "", "\n");
}

Outcome RunOurs(Side side, std::string_view bytes, Prng* splits) {
  HeapBufferPool pool(kPiece);
  Outcome outcome;
  if (side == Side::kRequests) {
    RequestDecoder decoder(&pool, HeadLimits{});
    Feed(&decoder, bytes, splits, &pool, &outcome);
    return outcome;
  }
  ResponseDecoder decoder(&pool, HeadLimits{});
  decoder.Expect(side == Side::kResponsesToHead ? "HEAD" : "GET");
  if (Feed(&decoder, bytes, splits, &pool, &outcome) && decoder.EndAtClose()) {
    outcome.messages.back().complete = true;
  }
  return outcome;
}

}  // namespace meltemi::http1
