// RFC 9293 3.8.4 (MUST-29): not one probe unanswered, but all of them, make a connection dead.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, KeepaliveSilenceEnds) {
  Exchange t({.tcp = {.keepalive = {.idle = 60_s}}});
  t.Accept();
  for (int probe = 0; probe < 9; ++probe) {
    t.At(60_s + 75_s * probe).Expect(Ack(1).At(0));
  }
  t.ExpectNoEvent();
  t.At(60_s + 75_s * 9).Expect(Rst(1).Acking(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kTimeout);
}

}  // namespace meltemi::tcp::conformance
