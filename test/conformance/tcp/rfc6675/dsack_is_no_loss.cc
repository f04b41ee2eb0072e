// RFC 2883 and RFC 6675: a block below the cumulative ACK tells of text that came twice; nothing is
// lost.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, DsackIsNoLoss) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(3000);
  t.Forget();
  t.At(30_ms).Peer(Ack(1001).Sack({{1, 1001}}));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().sack_blocks_invalid, 0u);
  t.Peer(Ack(3001));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
