// RFC 9293 3.10.7.4, eighth: a FIN counts when RCV.NXT has reached it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseFinBeyondAHoleWaits) {
  Exchange t;
  t.Accept();
  t.Peer(Fin(101));
  t.Expect(Ack(1));
  t.ExpectNoEvent();
  t.Peer(Data(1, 100));
  t.Expect(Ack(102)).ExpectReceived(100).ExpectEvent(Kind::kEof);
}

}  // namespace meltemi::tcp::conformance
