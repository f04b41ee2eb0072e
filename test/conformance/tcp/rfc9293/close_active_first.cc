// RFC 9293 3.6, figure 12: FIN, ACK, FIN, ACK; the side that closed first waits in TIME-WAIT.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseActiveFirst) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.ExpectNoEvent();
  t.Peer(Fin(1));
  t.Expect(Ack(2).At(2));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
}

}  // namespace meltemi::tcp::conformance
