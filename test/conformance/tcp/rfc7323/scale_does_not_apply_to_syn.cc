// RFC 7323 2.2: The window field in a segment where the SYN bit is set ... MUST NOT be scaled.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleDoesNotApplyToSyn) {
  Exchange t;
  t.Open(SynAck().Mss(1000).Scale(4).Window(500));
  t.Send(2000);
  t.Expect(Data(1, 500));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
