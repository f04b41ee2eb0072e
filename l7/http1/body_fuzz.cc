// Bodies: what the decoder takes out of a stream does not depend on how the bytes were split,
// nothing is lost or made up, and what we write of it reads back the same. The first byte chooses
// the framing and seeds the pieces, the second is the content length; the rest is the stream.
#include <cstdint>
#include <string>
#include <string_view>

#include "l7/base/check.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/prng.h"
#include "l7/http1/body_decoder.h"
#include "l7/http1/serializer.h"

namespace meltemi::http1 {
namespace {

struct Taken {
  BodyDecoder::Result result = BodyDecoder::Result::kMore;
  http::Reject reject = http::Reject::kNone;
  std::string body, rest, trailers;
  bool operator==(const Taken&) const = default;
};

Taken Take(http::Framing framing, uint64_t length, std::string_view bytes, Prng* splits) {
  HeapBufferPool pool(64 * 1024);
  BodyDecoder decoder;
  decoder.Begin(framing, length);
  Taken taken;
  Chain in, out;
  do {
    const size_t want = splits == nullptr ? bytes.size() : 1 + splits->Below(16);
    const std::string_view piece = bytes.substr(0, want);
    bytes.remove_prefix(piece.size());
    CHECK(AppendCopy(&pool, piece, &in));
    taken.result = decoder.Decode(&in, &out);
    if (taken.result == BodyDecoder::Result::kMore) CHECK(in.empty());
  } while (taken.result == BodyDecoder::Result::kMore && !bytes.empty());
  taken.body = out.ToString();
  if (taken.result == BodyDecoder::Result::kDone) {
    taken.rest = in.ToString() + std::string(bytes);
    taken.trailers = decoder.trailers();
  }
  taken.reject = decoder.reject();
  return taken;
}

// As chunks of our own, read again.
void CheckRoundTrip(const Taken& taken) {
  HeapBufferPool pool(64 * 1024);
  Chain body, wire;
  CHECK(AppendCopy(&pool, taken.body, &body));
  CHECK(WriteChunk(std::move(body), &pool, &wire));
  CHECK(WriteLastChunk(taken.trailers, &pool, &wire));
  const Taken again = Take(http::Framing::kChunked, 0, wire.ToString(), nullptr);
  CHECK(again.result == BodyDecoder::Result::kDone);
  CHECK(again.body == taken.body && again.trailers == taken.trailers && again.rest.empty());
}

}  // namespace
}  // namespace meltemi::http1

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace meltemi;         // NOLINT: the function must be outside
  using namespace meltemi::http1;  // NOLINT
  if (size < 2) return 0;
  constexpr http::Framing kFramings[] = {http::Framing::kChunked, http::Framing::kLength,
                                         http::Framing::kUntilClose, http::Framing::kNone};
  // Mostly chunked: the others have little to find.
  const http::Framing framing = data[0] < 224 ? http::Framing::kChunked : kFramings[data[0] % 4];
  Prng splits(data[0]);
  const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Taken whole = Take(framing, data[1], stream, nullptr);
  CHECK(Take(framing, data[1], stream, &splits) == whole);
  if (framing != http::Framing::kChunked) {
    CHECK(whole.result != BodyDecoder::Result::kError);
    CHECK(whole.body + whole.rest == stream || whole.result == BodyDecoder::Result::kMore);
  }
  if (whole.result == BodyDecoder::Result::kDone) CheckRoundTrip(whole);
  return 0;
}
