// RFC 9293 3.8.4 (MUST-26): "only be sent when no sent data is outstanding, and no data or
// acknowledgment packets have been received for the connection within an interval".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, KeepaliveProbeAfterIdle) {
  Exchange t({.tcp = {.keepalive = {.idle = 100_s}}});
  t.Accept();
  t.ExpectNothing(99_s);
  t.At(100_s).Expect(Ack(1).At(0));
  t.Peer(Ack(1));
  t.ExpectNothing(199_s);
  t.At(200_s).Expect(Ack(1).At(0));
}

}  // namespace meltemi::tcp::conformance
