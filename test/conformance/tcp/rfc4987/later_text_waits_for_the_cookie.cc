// RFC 4987 3.6: what has overtaken the third segment opens nothing, and is no reason for a RST: the
// cookie comes behind it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, LaterTextWaitsForTheCookie) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.Peer(Data(101, 100));
  t.ExpectNothing().ExpectConnections(0);
  t.Peer(Data(1, 100));
  t.ExpectEvent(Kind::kAccepted).ExpectReceived(100);
  t.Expect(Ack(101));
}

}  // namespace meltemi::tcp::conformance
