// RFC 9293 3.10.7.3, second: "If the ACK was acceptable, then signal to the user 'error: connection
// reset', drop the segment, enter CLOSED state".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynSentRstWithOurAckRefuses) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(Rst(0).Acking(1));
  t.ExpectEvent(Kind::kConnectFailed, TcpError::kRefused);
  t.ExpectConnections(0).ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
