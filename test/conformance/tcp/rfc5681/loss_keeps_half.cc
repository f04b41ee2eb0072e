// RFC 5681 3.1 (4): ssthresh = FlightSize / 2, where NewReno is chosen.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, LossKeepsHalf) {
  Exchange t({.tcp = {.conn_count_max = 4, .congestion = CongestionAlgorithm::kNewReno}});
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(10'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 10'001}}));
  t.Expect(Data(1, 1000));
  t.At(60_ms).Peer(Ack(10'001));
  t.Send(50'000);
  EXPECT_EQ(t.sent_count(), 5u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
