// RFC 9293 3.10.7.4, seventh, TIME-WAIT: "Ignore the segment text."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, TimeWaitTakesNoText) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.Peer(Data(2, 100));
  t.Expect(Ack(2));
  t.ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
