// RFC 8985 7.1: TLP ... requires SACK: without it the RTO does.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TailLossProbeNeedsSack) {
  Exchange t;
  t.Accept(Syn().Mss(1000), 20_ms);
  t.Send(3000);
  t.Forget().ExpectNothing(219_ms);
  t.At(220_ms).Expect(Data(1, 1000));
}

}  // namespace meltemi::tcp::conformance
