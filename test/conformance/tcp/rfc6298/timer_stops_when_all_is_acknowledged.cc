// RFC 6298 (5.2): "When all outstanding data has been acknowledged, turn off the retransmission
// timer."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, TimerStopsWhenAllIsAcknowledged) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.Peer(Ack(101));
  t.ExpectNothing(100_s);
}

}  // namespace meltemi::tcp::conformance
