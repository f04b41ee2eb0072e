// RFC 6675 4, NextSeg (4), the rescue retransmission: not needed where RFC 8985 finds losses: what
// was sent before the retransmission that arrived, up to the last byte, is lost, without a timeout.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, AckOfWhatWasSentAgainFindsTheRest) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(10'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, 1000));
  t.At(60_ms).Peer(Ack(4001));
  while (t.sent_count() > 0) t.Forget();
  t.At(80_ms).Peer(Ack(10'001));
  t.ExpectNothing(10_s);
  EXPECT_EQ(t.counters().rto_expirations, 0u);
}

}  // namespace meltemi::tcp::conformance
