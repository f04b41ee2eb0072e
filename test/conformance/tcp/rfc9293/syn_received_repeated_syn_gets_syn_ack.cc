// RFC 9293 3.8.1: the peer repeats its SYN because our SYN-ACK was lost; it is said again.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynReceivedRepeatedSynGetsSynAck) {
  Exchange t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.At(100_ms).Peer(Syn().Mss(1460));
  t.Expect(SynAck().At(0));
  t.ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
