// RFC 5681 4.1: "a TCP SHOULD set cwnd to no more than RW before beginning transmission if the TCP
// has not sent data in an interval exceeding the retransmission timeout".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, IdleRestart) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(40'000);
  t.Forget().At(1_ms).Peer(Ack(10'001));
  EXPECT_EQ(t.sent_count(), 20u);
  t.Forget().At(2_ms).Peer(Ack(30'001));
  t.Forget().At(3_ms).Peer(Ack(40'001));
  t.At(2_s).Send(60'000);
  EXPECT_EQ(t.sent_count(), 10u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
