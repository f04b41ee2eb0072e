// BodyDecoder: takes a message's body out of a stream, zero-copy: what it gives are slices of what
// came. RFC 9112 6 and 7. Pure; one per message; bounded by the limits of chunk lines and trailers.
#ifndef MELTEMI_L7_HTTP1_BODY_DECODER_H_
#define MELTEMI_L7_HTTP1_BODY_DECODER_H_

#include <cstdint>
#include <string>

#include "l7/base/slice.h"
#include "l7/http/message.h"
#include "l7/http/reject.h"
#include "l7/http1/scan.h"

namespace meltemi::http1 {

class BodyDecoder {
 public:
  enum class Result : uint8_t { kMore, kDone, kError };

  void Begin(http::Framing framing, uint64_t content_length);

  // Moves body bytes from the front of `in` to `out`. kMore: everything in `in` was used and the
  // body goes on. kDone: what is left in `in` belongs to the next message. kError: see reject().
  Result Decode(Chain* in, Chain* out);
  // The peer will send no more: kDone for a body that ends so, else kError is the caller's to
  // decide.
  bool ends_at_close() const { return framing_ == http::Framing::kUntilClose; }

  http::Reject reject() const { return reject_; }
  // Trailer fields, checked, names in lower case ("name: value\r\n..."), empty when there were
  // none. Valid after kDone.
  const std::string& trailers() const { return trailers_; }

 private:
  enum class Chunk : uint8_t {
    kSize,
    kExtensionName,
    kExtensionValue,
    kExtensionQuoted,
    kExtensionEscape,
    kExtensionEnd,  // after a quoted value
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
  };

  Result Fail(http::Reject reject) {
    reject_ = reject;
    return Result::kError;
  }
  Result DecodeChunked(Chain* in, Chain* out);
  // One byte of framing; kDone when the last one was it.
  Result OnFramingByte(char c);
  Result OnExtensionByte(char c);
  Result OnTrailerByte(char c);
  Result CheckTrailers();

  http::Framing framing_ = http::Framing::kNone;
  uint64_t left_ = 0;  // of the content length or of the chunk
  Chunk chunk_ = Chunk::kSize;
  uint32_t line_bytes_ = 0;
  bool item_seen_ = false;  // a digit of the size, a character of an extension's part
  http::Reject reject_ = http::Reject::kNone;
  HeadScan scan_;  // of the trailers
  std::string trailers_;
};

}  // namespace meltemi::http1

#endif  // MELTEMI_L7_HTTP1_BODY_DECODER_H_
