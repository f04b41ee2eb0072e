// RFC 6298 (5.4): "Retransmit the earliest segment that has not been acknowledged", that one only.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, TimeoutSendsTheEarliestSegment) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(3000);
  t.Expect(Data(1, 1000)).Expect(Data(1001, 1000)).Expect(Data(2001, 1000));
  t.At(200_ms).Expect(Data(1, 1000));
  t.ExpectNothing(599_ms);
}

}  // namespace meltemi::tcp::conformance
