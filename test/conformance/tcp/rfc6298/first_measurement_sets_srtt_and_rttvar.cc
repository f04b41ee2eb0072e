// RFC 6298 (2.2): SRTT = R, RTTVAR = R/2, RTO = SRTT + 4*RTTVAR = 3R; R = 100 ms of the handshake.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, FirstMeasurementSetsSrttAndRttvar) {
  Exchange t;
  t.Accept(Syn().Mss(1460), 100_ms);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.ExpectNothing(399_ms);
  t.At(400_ms).Expect(Data(1, 100));
}

}  // namespace meltemi::tcp::conformance
