// RFC 7323 5.2: RST segments ... PAWS SHOULD NOT be applied: an old timestamp in a RST does not
// save the connection.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, PawsDoesNotApplyToRst) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.Peer(Rst(1).Ts(5, 0));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
}

}  // namespace meltemi::tcp::conformance
