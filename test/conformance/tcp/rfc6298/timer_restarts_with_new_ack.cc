// RFC 6298 (5.3): "When an ACK is received that acknowledges new data, restart the retransmission
// timer".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, TimerRestartsWithNewAck) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(2000);
  t.Expect(Data(1, 1000)).Expect(Data(1001, 1000));
  t.At(1_ms).Peer(Ack(1001));
  t.ExpectNothing(200_ms);
  t.At(201_ms).Expect(Data(1001, 1000));
}

}  // namespace meltemi::tcp::conformance
