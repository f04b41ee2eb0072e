// RFC 9293 3.6.1, figure 5 states: released in FIN-WAIT-2, what still comes is acknowledged and
// thrown away.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ReleaseWithUnreadTextStillCloses) {
  Exchange t;
  t.Accept();
  t.Release();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.Peer(Data(1, 100));
  t.Expect(Ack(101)).ExpectReceived(0);
  t.Peer(Fin(101));
  t.Expect(Ack(102));
  t.ExpectNoEvent();
}

}  // namespace meltemi::tcp::conformance
