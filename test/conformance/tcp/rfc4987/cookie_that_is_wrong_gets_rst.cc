// RFC 4987 3.6: an ACK that brings no cookie of ours is as for LISTEN: RST.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieThatIsWrongGetsRst) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.Peer(Ack(2));
  t.Expect(Rst(2));
  t.ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
