// RFC 6928 2: two segments where these are more than 14600 bytes.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6928, InitialWindowOfJumboSegments) {
  Exchange t({.path = {.mtu = 9000}});
  t.Accept(Syn().Mss(8960));
  t.Send(50'000);
  t.Expect(Data(1, 8960)).Expect(Data(8961, 8960));
  t.ExpectNothing(100_ms);
}

}  // namespace meltemi::tcp::conformance
