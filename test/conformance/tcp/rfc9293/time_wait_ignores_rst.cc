// RFC 1337 and RFC 9293 3.10.7.4: TIME-WAIT is not assassinated by a RST.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, TimeWaitIgnoresRst) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.Peer(Rst(2));
  t.ExpectNothing(1_s);
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
}

}  // namespace meltemi::tcp::conformance
