// RFC 3168 6.1.3: the TCP receiver sends the ECN-Echo flag in ... all subsequent ACK packets until
// it receives a CWR packet.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, MarkIsEchoedUntilCwr) {
  Exchange t;
  t.Peer(Syn().Mss(1000).With(kEce | kCwr));
  t.Expect(SynAck().With(kEce));
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Peer(Data(1, 10).Ecn(3));
  t.Expect(Ack(11).With(kEce));
  t.Peer(Data(11, 10).Ecn(2));
  t.Expect(Ack(21).With(kEce));
  t.Peer(Data(21, 10).With(kCwr).Ecn(2));
  t.Expect(Ack(31));
}

}  // namespace meltemi::tcp::conformance
