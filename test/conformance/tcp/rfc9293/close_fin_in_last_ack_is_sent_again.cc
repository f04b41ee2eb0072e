// RFC 9293 3.10.8: in LAST-ACK the FIN is retransmitted until it is acknowledged.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseFinInLastAckIsSentAgain) {
  Exchange t;
  t.Accept();
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof);
  t.Finish();
  t.Expect(Fin(1));
  t.At(200_ms).Expect(Fin(1));
  t.Peer(Ack(2));
  t.ExpectEvent(Kind::kClosed).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
