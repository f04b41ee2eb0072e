// RFC 4987 3.6: what the number cannot carry is not agreed on: no scale, no SACK.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieOffersNoScaleWithoutTimestamps) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460).Scale(7).SackOk());
  t.Expect(SynAck(1).NoScale().NoSackOk().NoTs());
}

}  // namespace meltemi::tcp::conformance
