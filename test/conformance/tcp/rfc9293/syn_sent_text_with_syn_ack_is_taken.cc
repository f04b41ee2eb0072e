// RFC 9293 3.10.7.3, fourth: "If there are other controls or text in the segment, then continue
// processing at the sixth step".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynSentTextWithSynAckIsTaken) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(SynAck(1).Mss(1460).Text(0));
  t.Expect(Ack(1));
  t.ExpectEvent(Kind::kConnected);
  t.Peer(Data(1, 10));
  t.Expect(Ack(11)).ExpectReceived(10);
}

}  // namespace meltemi::tcp::conformance
