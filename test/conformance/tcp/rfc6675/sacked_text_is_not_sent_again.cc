// RFC 6675 4, NextSeg: only what is not SACKed is retransmitted: hole by hole.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, SackedTextIsNotSentAgain) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(8000);
  t.Forget();
  t.At(30_ms).Peer(Ack(1).Sack({{1001, 2001}, {3001, 8001}}));
  t.Expect(Data(1, 1000));
  t.Expect(Data(2001, 1000));
  t.ExpectNothing();
  t.At(40_ms).Peer(Ack(8001));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
