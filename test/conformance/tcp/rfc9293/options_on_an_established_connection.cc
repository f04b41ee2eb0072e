// RFC 9293 3.1 (MUST-5): "A TCP implementation MUST be able to receive a TCP Option in any
// segment."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, OptionsOnAnEstablishedConnection) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100).RawOptions({254, 6, 1, 2, 3, 4, 1, 1}));
  t.Expect(Ack(101)).ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
