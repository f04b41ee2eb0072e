// Requests: our decoder against llhttp in strict mode, and whole against in pieces. The input's
// first byte seeds the pieces, the rest is the stream. The intended differences stand in
// testing/compare.cc.
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
  CHECK(Differences(stream, whole, RunOracle(Side::kRequests, stream)).empty());
  return 0;
}
