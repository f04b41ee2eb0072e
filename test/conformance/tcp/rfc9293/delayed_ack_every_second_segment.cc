// RFC 9293 3.8.6.3 (SHLD-19): "an ACK SHOULD be generated for at least every second full-sized
// segment".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DelayedAckEverySecondSegment) {
  Exchange t;
  t.Accept();
  for (uint32_t i = 0; i < 8; ++i) t.Peer(Data(1 + i * 1460, 1460));
  t.Forget();
  t.Peer(Data(11'681, 1460));
  t.ExpectNothing();
  t.Peer(Data(13'141, 1460));
  t.Expect(Ack(14'601));
}

}  // namespace meltemi::tcp::conformance
