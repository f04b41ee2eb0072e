// RFC 9293 3.8.6 (MUST-34): "A sending TCP peer MUST be robust against window shrinking".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SenderWindowShrunkBelowSent) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(4000);
  t.Expect(Data(1, 1000))
      .Expect(Data(1001, 1000))
      .Expect(Data(2001, 1000))
      .Expect(Data(3001, 1000));
  t.Peer(Ack(1001).Window(500));
  t.Send(1000);
  t.ExpectNothing(100_ms);
  t.Peer(Ack(4001).Window(5000));
  t.Expect(Data(4001, 1000));
}

}  // namespace meltemi::tcp::conformance
