// RFC 9293 3.8.6.3: text that leaves before carries the ACK; none of its own follows.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DelayedAckRidesOnText) {
  Exchange t;
  t.Accept();
  for (uint32_t i = 0; i < 8; ++i) t.Peer(Data(1 + i * 1460, 1460));
  t.Forget();
  t.Peer(Data(11'681, 100));
  t.At(10_ms).Send(50);
  t.Expect(Data(1, 50).Acking(11'781));
  t.Peer(Ack(51));
  t.ExpectNothing(1_s);
}

}  // namespace meltemi::tcp::conformance
