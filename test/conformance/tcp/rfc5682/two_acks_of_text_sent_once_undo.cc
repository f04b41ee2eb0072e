// RFC 5682 2.1 (2b), (3b): two new segments after the first ACK; the second ACK shows that nothing
// was lost.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5682, TwoAcksOfTextSentOnceUndo) {
  Exchange t;
  t.Accept(Syn().Mss(1000), 20_ms);
  t.Send(14'000);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(220_ms).Expect(Data(1, 1000));
  t.Peer(Ack(1001));
  t.Expect(Data(10'001, 1000)).Expect(Data(11'001, 1000));
  t.ExpectNothing();
  t.Peer(Ack(2001));
  EXPECT_EQ(t.counters().spurious_timeouts, 1u);
  EXPECT_EQ(t.counters().retransmits, 1u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
