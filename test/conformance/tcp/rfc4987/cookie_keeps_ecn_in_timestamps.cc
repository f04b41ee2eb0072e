// RFC 4987 3.6, RFC 3168 6.1.1: ECN comes back in the echo, too.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieKeepsEcnInTimestamps) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460).Ts(1000, 0).With(kEce | kCwr));
  t.Expect(SynAck(1).With(kEce).Ecn(0));
  t.PeerHasTimestamps(1000);
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(2));
  t.Peer(Data(1, 100).Ecn(3));
  t.Expect(Ack(101).With(kEce));
}

}  // namespace meltemi::tcp::conformance
