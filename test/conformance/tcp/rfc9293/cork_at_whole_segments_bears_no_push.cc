// RFC 9293 3.9.1 (MUST-61): PSH is on the last segment of what is queued when nothing follows; a
// cork says that something does.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CorkAtWholeSegmentsBearsNoPush) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.SendCorked(2000);
  EXPECT_EQ(t.Take().flags, kAck);
  EXPECT_EQ(t.Take().flags, kAck);
  t.Peer(Ack(2001));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
