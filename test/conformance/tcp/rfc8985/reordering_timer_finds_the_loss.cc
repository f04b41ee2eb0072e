// RFC 8985 6.2 step 5: one SACKed segment above a hole: it is lost a quarter of the least round
// trip later.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, ReorderingTimerFindsTheLoss) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(3000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 2001}}));
  t.ExpectNothing(44_ms);
  t.At(45_ms).Expect(Data(1, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
