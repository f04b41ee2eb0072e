// RFC 6675 4, IsLost: "DupThresh discontiguous SACKed sequences have arrived above SeqNum".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, ThreeSeparateBlocksLoseTheFirstHole) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(8000);
  t.Forget();
  t.At(30_ms).Peer(Ack(1).Sack({{1001, 1101}, {3001, 3101}, {5001, 5101}}));
  const Packet got = t.Take();
  EXPECT_EQ(got.seq, 1u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
