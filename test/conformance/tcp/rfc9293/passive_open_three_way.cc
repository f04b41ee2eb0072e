// RFC 9293 3.5, figure 6: SYN, SYN-ACK, ACK; the connection is known to its user with the third.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, PassiveOpenThreeWay) {
  Exchange t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1).Mss(1460));
  t.ExpectNoEvent();
  t.At(50_ms).Peer(Ack(1).At(1));
  t.ExpectEvent(Kind::kAccepted);
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
