// RFC 9293 3.10.4: the FIN goes with the last text when that is still unsent.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseFinRidesOnTheLastText) {
  Exchange t;
  t.Peer(Syn().Mss(1000));
  t.Expect(SynAck());
  t.Peer(Ack(1).Window(0));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(500);
  t.Finish();
  t.ExpectNothing();
  t.Peer(Ack(1).Window(5000));
  t.Expect(Fin(1).Text(500));
  t.Peer(Ack(502));
  t.Abort();
  t.Expect(Rst(502).Acking(1));
}

}  // namespace meltemi::tcp::conformance
