// RFC 9293 3.8.6.3 (MUST-40): "MUST be less than 0.5 seconds"; ours is 40 ms.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DelayedAckWithinHalfASecond) {
  Exchange t;
  t.Accept();
  for (uint32_t i = 0; i < 8; ++i) t.Peer(Data(1 + i * 1460, 1460));
  t.Forget();
  t.Peer(Data(11'681, 100));
  t.ExpectNothing(39_ms);
  t.At(40_ms).Expect(Ack(11'781));
}

}  // namespace meltemi::tcp::conformance
