// RFC 5681 3.1: "upon a timeout ... cwnd MUST be set to no more than the loss window, LW, which
// equals 1 full-sized segment"; then slow start.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, TimeoutLeavesOneSegment) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(8000);
  for (uint32_t i = 0; i < 8; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(200_ms).Expect(Data(1, 1000));
  t.At(300_ms).Peer(Ack(1001));
  t.Expect(Data(1001, 1000)).Expect(Data(2001, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
