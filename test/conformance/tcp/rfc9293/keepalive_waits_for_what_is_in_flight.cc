// RFC 9293 3.8.4 (MUST-26): no probe "when sent data is outstanding"; its acknowledgement begins a
// new idle time.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, KeepaliveWaitsForWhatIsInFlight) {
  Exchange t({.tcp = {.keepalive = {.idle = 30_s}}});
  t.Accept(Syn().Mss(1460), 100_ms);
  t.At(30'050_ms).Send(100);
  t.Expect(Data(1, 100));
  t.At(30'150_ms).Peer(Ack(101));
  t.ExpectNothing(60_s);
  t.At(60'150_ms).Expect(Ack(1).At(100));
}

}  // namespace meltemi::tcp::conformance
