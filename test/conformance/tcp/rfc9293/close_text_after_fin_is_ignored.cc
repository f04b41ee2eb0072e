// RFC 9293 3.10.7.4, seventh, CLOSE-WAIT: "This should not occur since a FIN has been received from
// the remote side. Ignore the segment text."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseTextAfterFinIsIgnored) {
  Exchange t;
  t.Accept();
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof);
  t.Peer(Data(2, 100));
  t.Expect(Ack(2));
  t.ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
