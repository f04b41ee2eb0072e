// RFC 2018 and RFC 6675 5: a block beyond SND.NXT is nonsense and marks nothing.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, BlockOutsideWhatWasSentIsIgnored) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(3000);
  t.Forget();
  t.At(21_ms).Peer(Ack(1).Sack({{50'001, 60'001}}));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().sack_blocks_invalid, 1u);
  t.Peer(Ack(3001));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
