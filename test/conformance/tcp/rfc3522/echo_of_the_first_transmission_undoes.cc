// RFC 3522 3.2 (5): If the value of the timestamp ... is smaller than RetransmitTS: the timeout
// was spurious; RFC 4015 gives the window back.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3522, EchoOfTheFirstTransmissionUndoes) {
  Exchange t;
  t.Accept(Syn().Mss(1012).Ts(1000, 0), 20_ms);
  t.Send(4000);
  t.Forget().At(220_ms).Expect(Data(1, 1000));
  t.Peer(Ack(1001).Ts(1220, 20));
  EXPECT_EQ(t.counters().spurious_timeouts, 1u);
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
