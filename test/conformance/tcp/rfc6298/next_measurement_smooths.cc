// RFC 6298 (2.3): RTTVAR = 3/4*RTTVAR + 1/4*|SRTT-R'|, SRTT = 7/8*SRTT + 1/8*R'. R = R' = 200 ms:
// RTTVAR 75, RTO 500 ms.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, NextMeasurementSmooths) {
  Exchange t;
  t.Accept(Syn().Mss(1460), 200_ms);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.At(400_ms).Peer(Ack(101));
  t.Send(100);
  t.Expect(Data(101, 100));
  t.ExpectNothing(899_ms);
  t.At(900_ms).Expect(Data(101, 100));
}

}  // namespace meltemi::tcp::conformance
