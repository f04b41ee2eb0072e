// RFC 9293 3.10.7.4: "Segments with higher beginning sequence numbers SHOULD be held for later
// processing (SHLD-31)."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DataOutOfOrderIsHeld) {
  Exchange t;
  t.Accept();
  t.Peer(Data(101, 100));
  t.Expect(Ack(1)).ExpectReceived(0);
  t.Peer(Data(1, 100));
  t.Expect(Ack(201)).ExpectReceived(200);
}

}  // namespace meltemi::tcp::conformance
