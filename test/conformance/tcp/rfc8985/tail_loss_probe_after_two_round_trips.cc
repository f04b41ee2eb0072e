// RFC 8985 7.2: PTO = 2 * SRTT (and a margin): the last segment is sent again.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TailLossProbeAfterTwoRoundTrips) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(3000);
  t.Forget();
  t.ExpectNothing(61_ms);
  t.At(62_ms).Expect(Data(2001, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
