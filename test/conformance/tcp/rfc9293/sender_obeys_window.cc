// RFC 9293 3.8.6: no byte beyond SND.UNA+SND.WND is sent.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SenderObeysWindow) {
  Exchange t;
  t.Peer(Syn().Mss(1000));
  t.Expect(SynAck());
  t.Peer(Ack(1).At(1).Window(2500));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(10'000);
  t.Expect(Data(1, 1000));
  t.Expect(Data(1001, 1000));
  t.ExpectNothing(100_ms);
  t.Peer(Ack(2001).Window(1000));
  t.Expect(Data(2001, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
