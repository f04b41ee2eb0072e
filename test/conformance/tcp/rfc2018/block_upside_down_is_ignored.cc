// RFC 2018 3: a block's right edge is above its left edge.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, BlockUpsideDownIsIgnored) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(3000);
  t.Forget();
  t.At(21_ms).Peer(Ack(1).Sack({{2001, 1001}}));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().sack_blocks_invalid, 1u);
  t.Peer(Ack(3001));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
