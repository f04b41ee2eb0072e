// RFC 5961 3.2 holds in FIN-WAIT-2 too.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, RstInCloseStatesIsValidated) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.Peer(Rst(100));
  t.Expect(Ack(1).At(2));
  t.Peer(Rst(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
}

}  // namespace meltemi::tcp::conformance
