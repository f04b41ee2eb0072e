// RFC 8985 7.3: the probe is to be answered; PSH asks a receiver that delays its ACKs for it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TailLossProbeIsPushed) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(12'000);
  t.Forget();
  t.At(62_ms).Expect(Data(10'001, 1000).With(kPsh));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
