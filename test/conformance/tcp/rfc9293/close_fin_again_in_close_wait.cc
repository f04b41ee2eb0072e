// RFC 9293 3.10.7.4, eighth, CLOSE-WAIT: "Remain in the CLOSE-WAIT state": the FIN is acknowledged
// again, told once.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseFinAgainInCloseWait) {
  Exchange t;
  t.Accept();
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof);
  t.At(1_s).Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectNoEvent();
}

}  // namespace meltemi::tcp::conformance
