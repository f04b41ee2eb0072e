// RFC 8985 7.3, 7.4.1: one probe per flight; then the retransmission timer has its turn.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TailLossProbeIsOne) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(3000);
  t.Forget().At(62_ms).Expect(Data(2001, 1000));
  t.ExpectNothing(261_ms);
  t.At(262_ms).Expect(Data(1, 1000));
  EXPECT_EQ(t.counters().tlp_probes, 1u);
  EXPECT_EQ(t.counters().rto_expirations, 1u);
}

}  // namespace meltemi::tcp::conformance
