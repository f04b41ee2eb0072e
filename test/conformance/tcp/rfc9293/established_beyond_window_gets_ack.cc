// RFC 9293 3.10.7.4, first: a segment that lies beyond RCV.NXT+RCV.WND is answered with an ACK.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, EstablishedBeyondWindowGetsAck) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1 + 300'000, 100));
  t.Expect(Ack(1));
  t.ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
