// RFC 9293 3.10.7.4, seventh: text is taken in FIN-WAIT-1.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseTextInFinWait1) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Data(1, 100).Acking(1));
  t.Expect(Ack(101).At(2)).ExpectReceived(100);
  t.Abort();
  t.Expect(Rst(2).Acking(101));
}

}  // namespace meltemi::tcp::conformance
