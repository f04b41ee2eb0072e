// RFC 5681 2, (e): "the advertised window in the incoming acknowledgment equals the advertised
// window in the last incoming acknowledgment".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, AckWithNewWindowIsNoDuplicate) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(6000);
  for (uint32_t i = 0; i < 6; ++i) t.Expect(Data(1 + i * 1000, 1000));
  for (uint16_t i = 0; i < 4; ++i) t.Peer(Ack(1).Window(60'000 + i));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
