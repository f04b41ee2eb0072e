// RFC 9293 3.10.7.2, second: the ACK is checked before the SYN.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ListenAnswersSynAckWithRst) {
  Exchange t;
  t.Peer(SynAck(5));
  t.Expect(Rst(5));
  t.ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
