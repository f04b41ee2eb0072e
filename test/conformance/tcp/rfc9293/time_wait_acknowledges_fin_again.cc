// RFC 9293 3.10.7.4, eighth, TIME-WAIT: "The only thing that can arrive in this state is a
// retransmission of the remote FIN. Acknowledge it, and restart the 2 MSL timeout."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, TimeWaitAcknowledgesFinAgain) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.At(30_s).Peer(Fin(1));
  t.Expect(Ack(2).At(2));
  t.ExpectNothing(61_s);
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
  t.ExpectNothing(91_s);
  EXPECT_FALSE(t.tcp().InUse(t.tuple()));
}

}  // namespace meltemi::tcp::conformance
