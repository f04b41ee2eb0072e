// RFC 9293 3.10.7.3, fourth: a FIN in the SYN-ACK is processed too: CLOSE-WAIT.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynSentFinWithSynAckIsTaken) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(SynAck(1).With(kFin));
  t.ExpectEvent(Kind::kConnected).ExpectEvent(Kind::kEof);
  t.Expect(Ack(2));
}

}  // namespace meltemi::tcp::conformance
