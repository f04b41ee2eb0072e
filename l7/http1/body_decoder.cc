#include "l7/http1/body_decoder.h"

#include <algorithm>

#include "l7/base/limits.h"
#include "l7/http/known_header.h"
#include "l7/http1/head_parser.h"

namespace meltemi::http1 {
namespace {

using http::Reject;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void BodyDecoder::Begin(http::Framing framing, uint64_t content_length) {
  framing_ = framing;
  left_ = framing == http::Framing::kLength ? content_length : 0;
  chunk_ = Chunk::kSize;
  line_bytes_ = 0;
  item_seen_ = false;
  reject_ = Reject::kNone;
  trailers_.clear();
  // The line end of the last chunk stands before: trailers may be empty ("0 CRLF CRLF").
  scan_ = HeadScan{.last4 = 0x0d0a};
}

BodyDecoder::Result BodyDecoder::Decode(Chain* in, Chain* out) {
  switch (framing_) {
    case http::Framing::kNone:
      return Result::kDone;
    case http::Framing::kUntilClose:
      out->Append(std::move(*in));
      return Result::kMore;
    case http::Framing::kLength: {
      const size_t part = std::min<uint64_t>(left_, in->size());
      out->Append(in->TakePrefix(part));
      left_ -= part;
      return left_ == 0 ? Result::kDone : Result::kMore;
    }
    case http::Framing::kChunked:
      return DecodeChunked(in, out);
  }
  return Result::kDone;
}

BodyDecoder::Result BodyDecoder::DecodeChunked(Chain* in, Chain* out) {
  while (!in->empty()) {
    if (chunk_ == Chunk::kData) {
      const size_t part = std::min<uint64_t>(left_, in->size());
      out->Append(in->TakePrefix(part));
      left_ -= part;
      if (left_ == 0) chunk_ = Chunk::kDataCr;
      continue;
    }
    // Framing bytes of this slice, one by one: they are few.
    const std::string_view bytes = in->front().view();
    size_t used = 0;
    Result result = Result::kMore;
    while (used < bytes.size() && chunk_ != Chunk::kData && result == Result::kMore) {
      result = OnFramingByte(bytes[used++]);
    }
    in->RemovePrefix(used);
    if (result != Result::kMore) return result;
  }
  return Result::kMore;
}

// chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF (RFC 9112 7.1)
BodyDecoder::Result BodyDecoder::OnFramingByte(char c) {
  if (chunk_ == Chunk::kTrailer) return OnTrailerByte(c);
  if (++line_bytes_ > limits::kHttpChunkLineBytesMax) return Fail(Reject::kChunkLineTooLong);
  switch (chunk_) {
    case Chunk::kSize:
      if (const int digit = HexValue(c); digit >= 0) {
        if (left_ >> 59 != 0) return Fail(Reject::kBadChunk);
        left_ = left_ << 4 | static_cast<uint64_t>(digit);
        item_seen_ = true;
      } else if (!item_seen_) {
        return Fail(Reject::kBadChunk);
      } else if (c == '\r') {
        chunk_ = Chunk::kSizeLf;
      } else if (c == ';') {
        chunk_ = Chunk::kExtensionName;
        item_seen_ = false;
      } else {
        return Fail(Reject::kBadChunk);  // no white space: servers differ about it
      }
      break;
    case Chunk::kExtensionName:
    case Chunk::kExtensionValue:
    case Chunk::kExtensionQuoted:
    case Chunk::kExtensionEscape:
    case Chunk::kExtensionEnd:
      return OnExtensionByte(c);
    case Chunk::kSizeLf:
      if (c != '\n') return Fail(Reject::kBadChunk);
      chunk_ = left_ > 0 ? Chunk::kData : Chunk::kTrailer;
      line_bytes_ = 0;
      break;
    case Chunk::kDataCr:
      if (c != '\r') return Fail(Reject::kBadChunk);
      chunk_ = Chunk::kDataLf;
      break;
    case Chunk::kDataLf:
      if (c != '\n') return Fail(Reject::kBadChunk);
      chunk_ = Chunk::kSize;
      item_seen_ = false;
      line_bytes_ = 0;
      break;
    case Chunk::kData:
    case Chunk::kTrailer:
      break;
  }
  return Result::kMore;
}

// chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] ), RFC 9112 7.1.1, without white space.
// Extensions are checked and dropped: nobody passes on what could be read in two ways.
BodyDecoder::Result BodyDecoder::OnExtensionByte(char c) {
  const bool quoted = chunk_ == Chunk::kExtensionQuoted || chunk_ == Chunk::kExtensionEscape;
  if (quoted) {
    const auto byte = static_cast<uint8_t>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return Fail(Reject::kBadChunk);
    if (chunk_ == Chunk::kExtensionEscape) {
      chunk_ = Chunk::kExtensionQuoted;
    } else if (c == '\\') {
      chunk_ = Chunk::kExtensionEscape;
    } else if (c == '"') {
      chunk_ = Chunk::kExtensionEnd;
      item_seen_ = true;
    }
    return Result::kMore;
  }
  if (chunk_ != Chunk::kExtensionEnd && kTokenLower[static_cast<uint8_t>(c)] != 0) {
    item_seen_ = true;
    return Result::kMore;
  }
  if (chunk_ == Chunk::kExtensionValue && c == '"' && !item_seen_) {
    chunk_ = Chunk::kExtensionQuoted;
    return Result::kMore;
  }
  if (!item_seen_) return Fail(Reject::kBadChunk);
  if (c == '\r') {
    chunk_ = Chunk::kSizeLf;
  } else if (c == ';') {
    chunk_ = Chunk::kExtensionName;
  } else if (c == '=' && chunk_ == Chunk::kExtensionName) {
    chunk_ = Chunk::kExtensionValue;
  } else {
    return Fail(Reject::kBadChunk);
  }
  item_seen_ = false;
  return Result::kMore;
}

BodyDecoder::Result BodyDecoder::OnTrailerByte(char c) {
  if (trailers_.size() >= limits::kHttpTrailerBytesMax) return Fail(Reject::kTrailersTooLarge);
  switch (scan_.Step(c)) {
    case HeadScan::Found::kControl:
      return Fail(Reject::kBadHeaderValue);
    case HeadScan::Found::kBareLineEnd:
      return Fail(Reject::kBareLineEnd);
    case HeadScan::Found::kNothing:
      trailers_.push_back(c);
      return Result::kMore;
    case HeadScan::Found::kEnd:
      break;
  }
  trailers_.push_back(c);
  return CheckTrailers();
}

// The same grammar as a head's fields, so that what we pass on cannot be read in two ways; and none
// that says how the message is framed or routed (RFC 9110 6.5.1).
BodyDecoder::Result BodyDecoder::CheckTrailers() {
  const HeadLimits limits;
  uint32_t count = 0;
  char* p = trailers_.data();
  char* const end = p + trailers_.size();
  FieldLine line;
  while (true) {
    if (const Reject r = ParseField(&p, end, &line); r != Reject::kNone) return Fail(r);
    if (line.name.empty()) break;
    if (++count > limits.header_count_max) return Fail(Reject::kTooManyHeaders);
    switch (http::FindKnown(line.name)) {
      case http::Known::kContentLength:
      case http::Known::kTransferEncoding:
      case http::Known::kHost:
      case http::Known::kConnection:
      case http::Known::kKeepAlive:
      case http::Known::kProxyConnection:
      case http::Known::kTe:
      case http::Known::kTrailer:
      case http::Known::kUpgrade:
      case http::Known::kExpect:
      case http::Known::kAuthorization:
      case http::Known::kCookie:
        return Fail(Reject::kBadTrailer);
      default:  // every other field: a list of them all would say nothing more
        break;
    }
  }
  trailers_.resize(trailers_.size() - 2);
  return Result::kDone;
}

}  // namespace meltemi::http1
