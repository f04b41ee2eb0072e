// RFC 3168 6.1.1: "an ECN-setup SYN packet": ECE and CWR, the packet itself not ECN-capable.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, ActiveSideAsksWhenToldTo) {
  Exchange t({.tcp = {.conn_count_max = 4, .ecn = Ecn::kAsk}});
  t.Connect();
  t.Expect(Syn().With(kEce | kCwr).Ecn(0));
  t.Peer(SynAck().Mss(1000).With(kEce));
  t.Expect(Ack(1));
  t.ExpectEvent(Kind::kConnected);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(2));
}

}  // namespace meltemi::tcp::conformance
