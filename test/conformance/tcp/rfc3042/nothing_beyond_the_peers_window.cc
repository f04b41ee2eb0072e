// RFC 3042 2: only if the receiver's advertised window allows the transmission of the segment.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3042, NothingBeyondThePeersWindow) {
  Exchange t;
  t.Peer(Syn().Mss(1000));
  t.Expect(SynAck());
  t.Peer(Ack(1).Window(5000));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(30'000);
  for (uint32_t i = 0; i < 5; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(10_ms).Peer(Ack(1).Window(5000)).Peer(Ack(1).Window(5000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
