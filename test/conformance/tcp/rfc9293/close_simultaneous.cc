// RFC 9293 3.6, figure 13: both FINs cross; CLOSING, then TIME-WAIT.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseSimultaneous) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1).Acking(1));
  t.Expect(Ack(2).At(2));
  t.ExpectEvent(Kind::kEof).ExpectNoEvent();
  t.Peer(Ack(2));
  t.Expect(Ack(2).At(2));
  t.ExpectEvent(Kind::kClosed);
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
}

}  // namespace meltemi::tcp::conformance
