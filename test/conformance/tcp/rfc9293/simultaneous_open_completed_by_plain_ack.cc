// RFC 9293 3.10.7.4, fifth, SYN-RECEIVED: an acceptable ACK establishes an active open too.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SimultaneousOpenCompletedByPlainAck) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kConnected);
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
