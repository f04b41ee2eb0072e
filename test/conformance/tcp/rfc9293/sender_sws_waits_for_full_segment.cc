// RFC 9293 3.8.6.2.1 (MUST-38): with more to send, a piece smaller than a segment and than half the
// largest window waits.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SenderSwsWaitsForFullSegment) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1001).Window(400));
  t.Send(2000);
  t.ExpectNothing(100_ms);
  t.Peer(Ack(1001).Window(1000));
  t.Expect(Data(1001, 1000));
}

}  // namespace meltemi::tcp::conformance
