// RFC 8985 7.3: If there is unsent data ... transmit the first unsent segment.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TailLossProbePrefersNewText) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(12'000);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(62_ms).Expect(Data(10'001, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
