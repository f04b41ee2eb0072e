// RFC 6298 (5.7): "If the timer expires awaiting the ACK of a SYN segment and the TCP
// implementation is using an RTO less than 3 seconds, the RTO MUST be re-initialized to 3 seconds
// when data transmission begins".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, TimerAfterALostSynIsThreeSeconds) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.At(1_s).Expect(Syn());
  t.Peer(SynAck(1).Mss(1000));
  t.Expect(Ack(1));
  t.ExpectEvent(Kind::kConnected);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.ExpectNothing(3999_ms);
  t.At(4_s).Expect(Data(1, 100));
}

}  // namespace meltemi::tcp::conformance
