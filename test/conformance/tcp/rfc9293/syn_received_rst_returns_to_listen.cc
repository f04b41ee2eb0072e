// RFC 9293 3.10.7.4, second: "If this connection was initiated with a passive OPEN ... then return
// this connection to LISTEN state and return. The user need not be informed."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynReceivedRstReturnsToListen) {
  Exchange t;
  t.Peer(Syn());
  t.Expect(SynAck());
  t.Peer(Rst(1));
  t.ExpectNoEvent().ExpectConnections(0);
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
