// RFC 7323 2.3: SND.WND = SEG.WND << Snd.Wind.Shift.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleMultipliesThePeersWindow) {
  Exchange t;
  t.Peer(Syn().Mss(1000).Scale(4));
  t.Expect(SynAck());
  t.Peer(Ack(1).Window(125));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(5000);
  t.Expect(Data(1, 1000)).Expect(Data(1001, 1000));
  t.ExpectNothing(100_ms);
}

}  // namespace meltemi::tcp::conformance
