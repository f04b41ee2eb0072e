// RFC 3168 6.1.1: a SYN-ACK with both flags is of a host that copies reserved bits: no ECN.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, MirroredFlagsAreARefusal) {
  Exchange t({.tcp = {.conn_count_max = 4, .ecn = Ecn::kAsk}});
  t.Connect();
  t.Expect(Syn().With(kEce | kCwr));
  t.Peer(SynAck().Mss(1000).With(kEce | kCwr));
  t.Expect(Ack(1));
  t.ExpectEvent(Kind::kConnected);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(0));
}

}  // namespace meltemi::tcp::conformance
