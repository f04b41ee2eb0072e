// RFC 4987 3.6: the ACK is processed as any that establishes: its text is taken.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc4987, CookieTakesTextWithTheThirdSegment) {
  Exchange t({.tcp = {.conn_count_max = 4, .syn_queue_max = 0}});
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.Peer(Data(1, 100));
  t.ExpectEvent(Kind::kAccepted).ExpectReceived(100);
  t.Expect(Ack(101));
}

}  // namespace meltemi::tcp::conformance
