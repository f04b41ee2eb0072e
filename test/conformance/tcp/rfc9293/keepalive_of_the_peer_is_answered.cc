// RFC 9293 3.8.4: a probe at RCV.NXT-1 is unacceptable and so answered.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, KeepaliveOfThePeerIsAnswered) {
  Exchange t;
  t.Accept();
  t.At(10_s).Peer(Ack(1).At(0));
  t.Expect(Ack(1).At(1));
}

}  // namespace meltemi::tcp::conformance
