// RFC 4987 3.6: with timestamps, scale and SACK come back in the echo.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieKeepsOptionsInTimestamps) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460).Scale(7).SackOk().Ts(1000, 0));
  t.Expect(SynAck(1).SackOk());
  t.PeerHasTimestamps(1000);
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Peer(Data(101, 100));
  t.Expect(Ack(1).Sack({{101, 201}}));
}

}  // namespace meltemi::tcp::conformance
