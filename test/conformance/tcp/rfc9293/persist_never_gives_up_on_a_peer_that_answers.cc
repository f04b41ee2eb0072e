// RFC 9293 3.8.6.1 (MUST-37): "As long as the receiving TCP peer continues to send acknowledgments
// in response to the probe segments, the sending TCP endpoint MUST allow the connection to stay
// open."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, PersistNeverGivesUpOnAPeerThatAnswers) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1001).Window(0));
  t.Send(500);
  for (int probes = 0; probes < 60; ++probes) {
    while (t.sent_count() == 0) t.After(1_s);
    t.Forget().Peer(Ack(1001).Window(0));
  }
  t.ExpectNoEvent().ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
