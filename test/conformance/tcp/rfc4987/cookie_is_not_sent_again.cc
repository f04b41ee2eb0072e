// RFC 4987 3.6: without state there is nothing to repeat the SYN-ACK; the peer repeats its SYN.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieIsNotSentAgain) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.ExpectNothing(10_s);
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1).At(0));
}

}  // namespace meltemi::tcp::conformance
