// RFC 5681 2, "DUPLICATE ACKNOWLEDGMENT" (b): "the incoming acknowledgment carries no data".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, AckWithTextIsNoDuplicate) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(6000);
  for (uint32_t i = 0; i < 6; ++i) t.Expect(Data(1 + i * 1000, 1000));
  for (uint32_t i = 0; i < 4; ++i) {
    t.Peer(Data(1 + i * 10, 10).Acking(1));
    t.Expect(Ack(11 + i * 10));
  }
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
