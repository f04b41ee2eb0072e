// RFC 6298 (2.1): "Until a round-trip time (RTT) measurement has been made ... the sender SHOULD
// set RTO <- 1 second".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, FirstRtoIsOneSecond) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.ExpectNothing(999_ms);
  t.At(1_s).Expect(Syn());
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
