// RFC 9293 3.6, case 2: the peer's FIN is acknowledged and told; our FIN follows when the user
// closes.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ClosePassive) {
  Exchange t;
  t.Accept();
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof).ExpectNoEvent();
  t.At(1_s).Finish();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.ExpectEvent(Kind::kClosed);
  EXPECT_FALSE(t.tcp().InUse(t.tuple()));
}

}  // namespace meltemi::tcp::conformance
