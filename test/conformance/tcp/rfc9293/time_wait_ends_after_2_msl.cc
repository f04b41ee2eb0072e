// RFC 9293 3.6.1 (MUST-13): it MUST linger in TIME-WAIT state for a time 2xMSL; ours is 60 s.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, TimeWaitEndsAfter2Msl) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.ExpectNothing(59_s);
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
  t.ExpectNothing(61_s);
  EXPECT_FALSE(t.tcp().InUse(t.tuple()));
}

}  // namespace meltemi::tcp::conformance
