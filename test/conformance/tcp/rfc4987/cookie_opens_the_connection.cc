// RFC 4987 3.6: with the SYN queue full, the SYN-ACK's number is the only state: the ACK that
// brings it back opens the connection.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieOpensTheConnection) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1000));
  t.Expect(SynAck(1).Mss(1460));
  t.ExpectConnections(0);
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted).ExpectConnections(1);
  t.Send(1072);
  t.Expect(Data(1, 536)).Expect(Data(537, 536));
}

}  // namespace meltemi::tcp::conformance
