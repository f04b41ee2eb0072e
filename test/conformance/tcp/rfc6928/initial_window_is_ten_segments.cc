// RFC 6928 2: "min (10*MSS, max (2*MSS, 14600))": 14600 bytes of 1460.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6928, InitialWindowIsTenSegments) {
  Exchange t;
  t.Accept();
  t.Send(50'000);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 1460, 1460));
  t.ExpectNothing(100_ms);
}

}  // namespace meltemi::tcp::conformance
