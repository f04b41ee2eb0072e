// RFC 9293 3.6: in CLOSE-WAIT the user may go on sending.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseHalfSendsAfterPeersFin) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof);
  t.Send(1500);
  t.Expect(Data(1, 1000)).Expect(Data(1001, 500));
  t.Peer(Ack(1501));
  t.Finish();
  t.Expect(Fin(1501));
  t.Peer(Ack(1502));
  t.ExpectEvent(Kind::kClosed);
}

}  // namespace meltemi::tcp::conformance
