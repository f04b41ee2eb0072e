// RFC 5682 2.1 (3a): a duplicate ACK after the new segments: conventional recovery.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5682, DuplicateAfterNewTextIsLoss) {
  Exchange t;
  t.Accept(Syn().Mss(1000), 20_ms);
  t.Send(14'000);
  t.Forget().At(220_ms).Expect(Data(1, 1000));
  t.Peer(Ack(1001));
  t.Expect(Data(10'001, 1000)).Expect(Data(11'001, 1000));
  t.Peer(Ack(1001));
  t.Forget();
  EXPECT_EQ(t.counters().spurious_timeouts, 0u);
}

}  // namespace meltemi::tcp::conformance
