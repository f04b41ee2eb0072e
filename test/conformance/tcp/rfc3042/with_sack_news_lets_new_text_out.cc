// RFC 3042 2: with SACK too, what left the network lets new text out, before anything is lost.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3042, WithSackNewsLetsNewTextOut) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(30'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 2001}}));
  t.Expect(Data(10'001, 1000));
  t.ExpectNothing();
  t.Peer(Ack(1).Sack({{1001, 3001}}));
  t.Expect(Data(11'001, 1000));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().fast_recoveries, 0u);
}

}  // namespace meltemi::tcp::conformance
