// RFC 3168 6.1.5: ECN-capable transport codepoint ... MUST NOT be set on retransmitted data
// packets.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, RetransmissionIsNotMarked) {
  Exchange t;
  t.Peer(Syn().Mss(1000).With(kEce | kCwr));
  t.Expect(SynAck().With(kEce));
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(2));
  t.At(200_ms).Expect(Data(1, 100).Ecn(0));
}

}  // namespace meltemi::tcp::conformance
