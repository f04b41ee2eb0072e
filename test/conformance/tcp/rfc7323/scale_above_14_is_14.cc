// RFC 7323 2.3: If a Window Scale option is received with a shift.cnt value larger than 14, the
// TCP SHOULD log the error but MUST use 14.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleAbove14Is14) {
  Exchange t;
  t.Peer(Syn().Mss(16'000).Scale(15));
  t.Expect(SynAck());
  t.Peer(Ack(1).Window(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Peer(Data(1, 1).Acking(1 - 16'384u).Window(1));
  t.Expect(Ack(2)).ExpectReceived(1);
  t.Peer(Data(2, 1).Acking(1 - 16'385u).Window(1));
  t.Expect(Ack(2)).ExpectReceived(1);
}

}  // namespace meltemi::tcp::conformance
