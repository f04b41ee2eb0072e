// RFC 5681 3.1 (2): "cwnd += min (N, SMSS)"; RFC 3465 lets N be all of it: 2 acknowledged, 4 sent.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, SlowStartGrowsByWhatIsAcknowledged) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(60'000);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(10_ms).Peer(Ack(2001));
  for (uint32_t i = 10; i < 14; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
