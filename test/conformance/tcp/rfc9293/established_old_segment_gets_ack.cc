// RFC 9293 3.10.7.4, first: a segment that lies before RCV.NXT is answered with
// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, EstablishedOldSegmentGetsAck) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100));
  t.Expect(Ack(101));
  t.Peer(Data(1, 100));
  t.Expect(Ack(101));
  t.ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
