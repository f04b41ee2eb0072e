// RFC 9293 3.8.6.1 (MUST-36, SHLD-29): the first zero-window probe SHOULD be sent when a zero
// window has existed for the retransmission timeout period.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, PersistProbeWhenWindowIsShut) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1001).Window(0));
  t.Send(500);
  t.ExpectNothing(190_ms);
  t.At(200_ms).Expect(Ack(1).At(1000));
  t.Peer(Ack(1001).Window(5000));
  t.Expect(Data(1001, 500));
}

}  // namespace meltemi::tcp::conformance
