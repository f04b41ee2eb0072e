// RFC 5681 2, (a): "the receiver of the ACK has outstanding data".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, AckWithNothingInFlightIsNoDuplicate) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  for (int i = 0; i < 5; ++i) t.Peer(Ack(1));
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.ExpectNothing(199_ms);
  EXPECT_EQ(t.counters().fast_recoveries, 0u);
}

}  // namespace meltemi::tcp::conformance
