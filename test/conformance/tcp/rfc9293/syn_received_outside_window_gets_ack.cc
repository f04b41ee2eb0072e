// RFC 9293 3.10.7.4, first: "If an incoming segment is not acceptable, an acknowledgment should be
// sent in reply".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynReceivedOutsideWindowGetsAck) {
  Exchange t;
  t.Peer(Syn());
  t.Expect(SynAck());
  t.Peer(Data(200'000, 10).Acking(1));
  t.Expect(Ack(1).At(1));
  t.ExpectNoEvent();
}

}  // namespace meltemi::tcp::conformance
