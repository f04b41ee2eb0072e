// RFC 5961 4.2, 1): our ACK of the SYN-ACK was lost; the answer repeats it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, SynAckAgainIsChallenged) {
  Exchange t;
  t.Open();
  t.At(1_s).Peer(SynAck(1));
  t.Expect(Ack(1).At(1));
  t.ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
