// RFC 6298 (5.1): "Every time a packet containing data is sent ... if the timer is not running,
// start it": a later segment does not restart it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, TimerRunsFromTheFirstSegment) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.At(100_ms).Send(100);
  t.Expect(Data(101, 100));
  t.ExpectNothing(199_ms);
  t.At(200_ms).Expect(Data(1, 200));
}

}  // namespace meltemi::tcp::conformance
