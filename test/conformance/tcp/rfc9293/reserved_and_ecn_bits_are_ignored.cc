// RFC 9293 3.1: control bits that are not implemented MUST be ignored in received segments
// (MUST-4 of the reserved bits).
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ReservedAndEcnBitsAreIgnored) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100).With(kEce | kCwr));
  t.Expect(Ack(101)).ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
