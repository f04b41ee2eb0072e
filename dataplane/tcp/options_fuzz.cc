// TCP options, as bytes and as a list of them: what is read can be written and read again the same,
// unknown ones hide nothing, a SYN's come back from a cookie, and no length reads past the end.
//
// Input: the options' bytes as they lie in a header. The same bytes are then taken as records
// (kind, length, body) and made well formed, so that mutations of a body reach beyond the length
// checks.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "dataplane/tcp/options.h"
#include "dataplane/tcp/syn_cookie.h"
#include "l7/base/check.h"

namespace meltemi::tcp {
namespace {

bool Same(const Options& a, const Options& b) {
  return a.mss == b.mss && a.window_scale == b.window_scale &&
         a.sack_permitted == b.sack_permitted && a.timestamps == b.timestamps;
}

// The bytes at the end of a room of just their size: a sanitizer sees a read past them.
bool Parse(std::span<const uint8_t> bytes, Options* options) {
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  return ParseOptions(exact, options);
}

void Check(std::span<const uint8_t> bytes) {
  Options o;
  [[maybe_unused]] const bool whole = Parse(bytes, &o);  // what came before a fault is kept
  CHECK(!o.window_scale || *o.window_scale <= kWindowScaleMax);
  CHECK(o.sack_count <= kSackBlocksMax);

  uint8_t out[kOptionBytesMax];
  const int n = EmitOptions(o, out);
  CHECK(n >= 0 && n <= kOptionBytesMax && n % 4 == 0);
  Options again;
  CHECK(Parse({out, static_cast<size_t>(n)}, &again));
  CHECK(Same(o, again));
  CHECK(again.sack_count <= o.sack_count);  // those that fit, from the first
  for (int i = 0; i < again.sack_count; ++i) CHECK(again.sack[i] == o.sack[i]);

  const uint8_t bits = SynCookies::PackOptions(o, false);
  Options syn;
  CHECK(!SynCookies::UnpackOptions(SynCookies::Stamp(bytes.size() * 1000, bits) & 0x3f, &syn));
  CHECK(syn.window_scale == o.window_scale && syn.sack_permitted == o.sack_permitted);
}

// Records with the lengths that their kinds must have, as many as a header holds.
std::vector<uint8_t> WellFormed(const uint8_t* data, size_t size) {
  constexpr uint8_t kKinds[] = {1, 2, 3, 4, 5, 8, 99, 254};
  std::vector<uint8_t> bytes;
  for (size_t at = 0; at < size; ++at) {
    const uint8_t kind = kKinds[data[at] % 8];
    size_t length = 1;
    if (kind == 2) length = 4;
    if (kind == 3) length = 3;
    if (kind == 4) length = 2;
    if (kind == 5) length = 10 + 8 * size_t{data[at] / 8u % 4};
    if (kind == 8) length = 10;
    if (kind >= 99) length = 2 + data[at] / 8u % 8;
    if (bytes.size() + length > kOptionBytesMax) break;
    bytes.push_back(kind);
    if (length > 1) bytes.push_back(static_cast<uint8_t>(length));
    for (size_t i = 2; i < length; ++i) bytes.push_back(++at < size ? data[at] : 0);
  }
  return bytes;
}

}  // namespace
}  // namespace meltemi::tcp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace meltemi::tcp;  // NOLINT: the driver's name is global
  size = std::min<size_t>(size, 256);
  Check({data, size});
  const std::vector<uint8_t> formed = WellFormed(data, size);
  Options o;
  CHECK(ParseOptions(formed, &o));
  Check(formed);
  return 0;
}
