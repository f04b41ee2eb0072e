// RFC 8985 3.2: a retransmission is lost when text sent after it is delivered: sent again without a
// timeout.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, LostRetransmissionIsFound) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(14'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1).Sack({{1001, 5001}}));
  t.Expect(Data(10'001, 1000));
  t.At(60_ms).Peer(Ack(1).Sack({{10'001, 11'001}, {1001, 5001}}));
  t.Expect(Data(1, 1000));
  t.Forget();
  EXPECT_EQ(t.counters().rto_expirations, 0u);
}

}  // namespace meltemi::tcp::conformance
