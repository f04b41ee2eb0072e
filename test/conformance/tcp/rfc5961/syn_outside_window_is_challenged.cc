// RFC 5961 4.2, 1): a peer that restarted: its SYN lies anywhere, the ACK makes it send a RST.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, SynOutsideWindowIsChallenged) {
  Exchange t;
  t.Accept();
  t.Peer(Syn().At(0x4000'0000));
  t.Expect(Ack(1).At(1));
  t.Peer(Rst(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
}

}  // namespace meltemi::tcp::conformance
