// RFC 4987 3.6: a cookie lives two minutes at most.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieThatIsLateGetsRst) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.At(129_s).Peer(Ack(1));
  t.Expect(Rst(1));
  t.ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
