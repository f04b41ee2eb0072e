// RFC 8985 6.2 step 3: a hole that fills by itself is reordering: then DupThresh is no reason to
// hurry.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, ReorderingSeenWaitsAgain) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(8000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 2001}}));
  t.At(42_ms).Peer(Ack(2001)).Peer(Ack(8001));
  t.Send(8000);
  t.Forget().At(62_ms).Peer(Ack(8001).Sack({{9001, 15'001}}));
  t.ExpectNothing(66_ms);
  t.At(67_ms).Expect(Data(8001, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
