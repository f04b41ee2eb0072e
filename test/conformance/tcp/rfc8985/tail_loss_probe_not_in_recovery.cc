// RFC 8985 7.2: a probe is scheduled where no recovery is under way: in one, the timer it is.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TailLossProbeNotInRecovery) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(10'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, 1000));
  t.ExpectNothing(219_ms);
  EXPECT_EQ(t.counters().tlp_probes, 0u);
  t.At(221_ms).Expect(Data(1, 1000));
  EXPECT_EQ(t.counters().rto_expirations, 1u);
}

}  // namespace meltemi::tcp::conformance
