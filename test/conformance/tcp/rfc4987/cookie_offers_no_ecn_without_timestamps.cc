// RFC 4987 3.6, RFC 3168 6.1.1: nothing would remember it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieOffersNoEcnWithoutTimestamps) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460).With(kEce | kCwr));
  t.Expect(SynAck(1));
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(0));
}

}  // namespace meltemi::tcp::conformance
