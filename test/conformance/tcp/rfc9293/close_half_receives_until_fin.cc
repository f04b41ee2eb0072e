// RFC 9293 3.6: "the user who CLOSEs may continue to RECEIVE until the TCP receiver is told that
// the remote peer has CLOSED also" (FIN-WAIT-2).
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseHalfReceivesUntilFin) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.Peer(Data(1, 1000));
  t.Expect(Ack(1001).At(2)).ExpectReceived(1000);
  t.Peer(Fin(1001));
  t.Expect(Ack(1002));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
}

}  // namespace meltemi::tcp::conformance
