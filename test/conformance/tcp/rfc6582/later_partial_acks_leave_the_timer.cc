// RFC 6582 3.2 (3): "For the first partial ACK that arrives during fast recovery, also reset the
// retransmit timer": not for those that follow (Impatient): many losses end by the timer.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6582, LaterPartialAcksLeaveTheTimer) {
  Exchange t;
  t.Accept(Syn().Mss(1000), 20_ms);
  t.Send(10'000);
  t.Forget().At(40_ms);
  for (int i = 0; i < 3; ++i) t.Peer(Ack(1));
  t.Expect(Data(1, 1000)).Forget();
  t.At(100_ms).Peer(Ack(1001)).Expect(Data(1001, 1000)).Forget();
  t.At(160_ms).Peer(Ack(2001)).Expect(Data(2001, 1000)).Forget();
  t.At(220_ms).Peer(Ack(3001)).Expect(Data(3001, 1000)).Forget();
  t.At(280_ms).Peer(Ack(4001)).Expect(Data(4001, 1000)).Forget();
  EXPECT_EQ(t.counters().rto_expirations, 0u);
  t.At(310_ms).Forget();
  EXPECT_EQ(t.counters().rto_expirations, 1u);
}

}  // namespace meltemi::tcp::conformance
