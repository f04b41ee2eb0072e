// RFC 9293 3.10.7.4, fifth: "if the ACK bit is off, drop the segment and return".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, EstablishedNoAckBitIsDropped) {
  Exchange t;
  t.Accept();
  t.Peer(Flags(kPsh).At(1).Text(100));
  t.ExpectNothing(1_s).ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
