// RFC 9293 3.10.7.4, second, SYN-RECEIVED: an active open that is reset was refused.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SimultaneousOpenReset) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.Peer(Rst(1));
  t.ExpectEvent(Kind::kConnectFailed, TcpError::kRefused);
}

}  // namespace meltemi::tcp::conformance
