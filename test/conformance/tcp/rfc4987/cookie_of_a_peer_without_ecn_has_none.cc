// RFC 4987 3.6, RFC 3168 6.1.1: what was not asked for does not come of the timestamps' bits.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieOfAPeerWithoutEcnHasNone) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460).Scale(7).SackOk().Ts(1000, 0));
  t.Expect(SynAck(1));
  t.PeerHasTimestamps(1000);
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(0));
}

}  // namespace meltemi::tcp::conformance
