// RFC 5961 3.2, 2): "If the RST bit is set and the sequence number exactly matches the next
// expected sequence number (RCV.NXT), then TCP MUST reset the connection."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, RstExactlyAtRcvNxtResets) {
  Exchange t;
  t.Accept();
  t.Peer(Rst(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
