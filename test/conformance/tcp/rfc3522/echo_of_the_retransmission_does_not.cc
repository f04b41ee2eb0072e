// RFC 3522 3.2 (5): the echo of the retransmission says that the first was lost.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3522, EchoOfTheRetransmissionDoesNot) {
  Exchange t;
  t.Accept(Syn().Mss(1012).Ts(1000, 0), 20_ms);
  t.Send(4000);
  t.Forget().At(220_ms).Expect(Data(1, 1000));
  t.At(240_ms).Peer(Ack(1001).Ts(1240, 220));
  t.Expect(Data(1001, 1000)).Expect(Data(2001, 1000));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().spurious_timeouts, 0u);
}

}  // namespace meltemi::tcp::conformance
