// RFC 9293 3.10.7.4, fifth and eighth: the peer's FIN acknowledges ours: FIN-WAIT-1 to TIME-WAIT at
// once.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseFinAndAckOfOursInOne) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1).Acking(2));
  t.Expect(Ack(2).At(2));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
}

}  // namespace meltemi::tcp::conformance
