// RFC 3168 6.1.1: SYN with ECE and CWR, SYN-ACK with ECE alone; text is ECT(0), pure ACKs are not
// (6.1.4).
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, PassiveSideAcceptsWhenAsked) {
  Exchange t;
  t.Peer(Syn().Mss(1000).With(kEce | kCwr));
  t.Expect(SynAck().With(kEce).Ecn(0));
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(2));
  t.Peer(Data(1, 10));
  t.Expect(Ack(11).Ecn(0));
}

}  // namespace meltemi::tcp::conformance
