// RFC 6675 4, IsLost: "more than (DupThresh - 1) * SMSS bytes with sequence numbers greater than
// SeqNum have been SACKed".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, ThreeSegmentsAboveAHoleLoseIt) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(6000);
  t.Forget();
  t.At(30_ms).Peer(Ack(1).Sack({{1001, 2001}}));
  t.Peer(Ack(1).Sack({{1001, 3001}}));
  t.ExpectNothing();
  t.Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
