// RFC 9293 3.10.7.4, seventh: a segment that holds all of what was held, and more on both sides.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DataSwallowingHeldText) {
  Exchange t;
  t.Accept();
  t.Peer(Data(101, 50));
  t.Expect(Ack(1));
  t.Peer(Data(1, 400));
  t.Expect(Ack(401)).ExpectReceived(400);
}

}  // namespace meltemi::tcp::conformance
