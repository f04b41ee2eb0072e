// RFC 9293 3.10.7.4, fifth: SND.WL1 and SND.WL2 prevent using old segments to update the window.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SenderUsesWindowOfNewerSegmentOnly) {
  Exchange t;
  t.Peer(Syn().Mss(1000));
  t.Expect(SynAck());
  t.Peer(Ack(1).At(1).Window(0));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(1000);
  t.Peer(Data(11, 10).Window(0));
  t.Expect(Ack(1));
  t.Peer(Ack(1).At(1).Window(5000));
  t.ExpectNothing(100_ms);
  t.Peer(Ack(1).At(21).Window(5000));
  t.Expect(Data(1, 1000));
}

}  // namespace meltemi::tcp::conformance
