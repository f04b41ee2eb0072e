// RFC 9293 3.10.7.4, TIME-WAIT: an acceptable ACK without text asks for nothing; two ends would
// talk for ever.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, TimeWaitDoesNotAnswerAPlainAck) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.Peer(Ack(2).At(2));
  t.ExpectNothing(1_s);
}

}  // namespace meltemi::tcp::conformance
