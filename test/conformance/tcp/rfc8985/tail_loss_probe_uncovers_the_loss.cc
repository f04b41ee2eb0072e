// RFC 8985 7.4.1: the SACK of the probe shows what is missing before it: fast recovery, no timeout.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TailLossProbeUncoversTheLoss) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(3000);
  t.Forget().At(40_ms).Peer(Ack(1001));
  t.At(82_ms).Expect(Data(2001, 1000));
  t.At(103_ms).Peer(Ack(1001).Sack({{2001, 3001}}));
  t.Expect(Data(1001, 1000));
  EXPECT_EQ(t.counters().rto_expirations, 0u);
}

}  // namespace meltemi::tcp::conformance
