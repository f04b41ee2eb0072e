// Requests: read whole and in pieces, the outcome must be the same. The input's first byte seeds
// the pieces, the rest is the stream. (Against llhttp: differential_test, whose streams are nearly
// valid; for arbitrary bytes the list of intended differences is not complete yet.)
#include <cstdint>
#include <string_view>

#include "l7/base/check.h"
#include "l7/base/prng.h"
#include "l7/http1/testing/streams.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using meltemi::http1::Outcome;
  using meltemi::http1::Side;
  if (size == 0) return 0;
  meltemi::Prng splits(data[0]);
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = RunOurs(Side::kRequests, stream, nullptr);
  CHECK(RunOurs(Side::kRequests, stream, &splits) == whole);
  return 0;
}
