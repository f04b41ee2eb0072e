// RFC 4987 3.6, RFC 9293 3.6.1: the third segment, come again when the connection has ended, finds
// what TIME-WAIT keeps, and its text is not taken twice.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieReplayedAfterTheEndOpensNothing) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.Peer(Data(1, 100));
  t.ExpectEvent(Kind::kAccepted).ExpectReceived(100).Expect(Ack(101));
  t.Peer(Fin(101));
  t.ExpectEvent(Kind::kEof).Expect(Ack(102));
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Ack(2).At(102));
  t.ExpectEvent(Kind::kClosed);
  t.Peer(Data(1, 100).Acking(1));
  t.Expect(Ack(102).At(2));
  t.ExpectNoEvent().ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
