// RFC 8985 7.2: one segment in flight may wait for a delayed ACK: the worst of it is added, the RTO
// at most.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TailLossProbeOfALoneSegment) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.ExpectNothing(219_ms);
  t.At(220_ms).Expect(Data(1, 100));
  EXPECT_EQ(t.counters().tlp_probes, 1u);
}

}  // namespace meltemi::tcp::conformance
