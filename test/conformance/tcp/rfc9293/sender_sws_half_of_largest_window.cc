// RFC 9293 3.8.6.2.1, (3): if at least a fraction Fs of the maximum window can be sent, Fs = 1/2.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SenderSwsHalfOfLargestWindow) {
  Exchange t;
  t.Peer(Syn().Mss(1000));
  t.Expect(SynAck());
  t.Peer(Ack(1).At(1).Window(600));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(2000);
  t.Expect(Data(1, 600));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
