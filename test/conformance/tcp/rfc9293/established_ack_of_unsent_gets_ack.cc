// RFC 9293 3.10.7.4, fifth: "If the ACK acks something not yet sent (SEG.ACK > SND.NXT), then send
// an ACK, drop the segment, and return."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, EstablishedAckOfUnsentGetsAck) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100).Acking(5000));
  t.Expect(Ack(1));
  t.ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
