// RFC 6298 (2.4) wants one second; with a clock of a millisecond 200 ms, as everyone does, is ours
// (tcp.h, rto_min).
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, MinimumIs200Ms) {
  Exchange t;
  t.Accept(Syn().Mss(1460), 1_ms);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.ExpectNothing(200_ms);
  t.At(201_ms).Expect(Data(1, 100));
}

}  // namespace meltemi::tcp::conformance
