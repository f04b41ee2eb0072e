// RFC 9293 3.10.7.4, eighth: a FIN with the ACK that establishes leads to CLOSE-WAIT.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, PassiveOpenFinWithThirdSegment) {
  Exchange t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.Peer(Fin(1));
  t.ExpectEvent(Kind::kAccepted).ExpectEvent(Kind::kEof);
  t.Expect(Ack(2));
}

}  // namespace meltemi::tcp::conformance
