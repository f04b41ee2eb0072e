// Responses: our decoder against llhttp, and whole against in pieces. The input's first byte seeds
// the pieces and says (when odd) that the request was HEAD, the rest is the stream.
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
  const Side side = data[0] % 2 == 0 ? Side::kResponses : Side::kResponsesToHead;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = RunOurs(side, stream, nullptr);
  CHECK(RunOurs(side, stream, &splits) == whole);
  CHECK(Differences(stream, whole, RunOracle(side, stream)).empty());
  return 0;
}
