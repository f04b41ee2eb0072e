// RFC 9293 3.8.4 (MUST-26): "within an interval" is since the peer was heard last, and a probe's
// answer is heard, however short the idle time is.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, KeepaliveAnswerBeginsANewIdleTime) {
  Exchange t({.tcp = {.keepalive = {.idle = 30_s}}});
  t.Accept();
  t.At(30_s).Expect(Ack(1).At(0));
  t.After(10_ms).Peer(Ack(1));
  t.ExpectNothing(60_s);
  t.At(60'010_ms).Expect(Ack(1).At(0));
  // Without an answer the next ones come at their own interval.
  t.ExpectNothing(135_s);
  t.At(135'010_ms).Expect(Ack(1).At(0));
  t.At(210'010_ms).Expect(Ack(1).At(0));
}

}  // namespace meltemi::tcp::conformance
