// RFC 6928 2: 10*MSS where that is less.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6928, InitialWindowOfSmallSegments) {
  Exchange t;
  t.Accept(Syn().Mss(500));
  t.Send(50'000);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 500, 500));
  t.ExpectNothing(100_ms);
}

}  // namespace meltemi::tcp::conformance
