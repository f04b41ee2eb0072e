// RFC 6298 (5.5), (5.7): the SYN-ACK too: after 1, 2, 4, 8 and 16 s, then the half-open connection
// ends.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, SynAckBacksOff) {
  Exchange t;
  t.Peer(Syn());
  t.Expect(SynAck());
  for (Duration at : {1_s, 3_s, 7_s, 15_s, 31_s}) t.At(at).Expect(SynAck().At(0));
  t.ExpectNothing(62_s).ExpectConnections(1);
  t.ExpectNothing(64_s).ExpectConnections(0).ExpectNoEvent();
}

}  // namespace meltemi::tcp::conformance
