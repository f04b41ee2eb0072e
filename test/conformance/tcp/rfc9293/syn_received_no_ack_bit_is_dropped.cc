// RFC 9293 3.10.7.4, fifth: "if the ACK bit is off, drop the segment and return".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynReceivedNoAckBitIsDropped) {
  Exchange t;
  t.Peer(Syn());
  t.Expect(SynAck());
  t.Peer(Flags(0).At(1).Text(10));
  t.ExpectNothing().ExpectNoEvent().ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
