// RFC 9293 3.8.4 (SHLD-12 of old ends): a probe with one byte of garbage before RCV.NXT is answered
// too.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, KeepaliveWithAByteOfThePeerIsAnswered) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100));
  t.Expect(Ack(101));
  t.At(10_s).Peer(Data(100, 1));
  t.Expect(Ack(101));
  t.ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
