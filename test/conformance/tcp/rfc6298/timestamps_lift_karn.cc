// RFC 6298 3: "unless the TCP timestamp option is used": the echo tells which of the two was
// answered: 1 ms, then 300 ms: RTO = 38.4 + 4 * 75.1 ms.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, TimestampsLiftKarn) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0), 1_ms);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.At(201_ms).Expect(Data(1, 100));
  t.At(501_ms).Peer(Ack(101).Ts(1501, 201));
  t.Send(100);
  t.Expect(Data(101, 100));
  t.ExpectNothing(838_ms);
  t.At(839_ms).Expect(Data(101, 100));
}

}  // namespace meltemi::tcp::conformance
