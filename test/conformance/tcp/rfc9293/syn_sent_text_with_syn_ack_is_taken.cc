// RFC 9293 3.10.7.3, fourth: "If there are other controls or text in the segment, then continue
// processing at the sixth step".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynSentTextWithSynAckIsTaken) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(SynAck(1).Mss(1460).Text(10));
  t.ExpectEvent(Kind::kConnected).ExpectReceived(10);
  t.Expect(Ack(11));
}

}  // namespace meltemi::tcp::conformance
