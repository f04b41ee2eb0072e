// RFC 9293 3.10.7.4, fifth to seventh: the ACK that establishes may bring text, which is taken.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, PassiveOpenDataWithThirdSegment) {
  Exchange t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.Peer(Data(1, 100));
  t.ExpectEvent(Kind::kAccepted).ExpectReceived(100);
  t.Expect(Ack(101));
}

}  // namespace meltemi::tcp::conformance
