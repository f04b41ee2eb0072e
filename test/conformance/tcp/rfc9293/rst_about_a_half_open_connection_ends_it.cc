// RFC 9293 3.5.1, figures 9 and 11: the peer has lost the connection and answers our text with a
// RST at the number that text acknowledged.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, RstAboutAHalfOpenConnectionEndsIt) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100).Acking(1));
  t.Peer(Rst(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
