// RFC 2923 2.1, in the spirit of RFC 8899 4.3: full segments are lost in silence: after three
// timeouts shorter ones are tried.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8899, BlackHoleIsLeftByShorterSegments) {
  Exchange t;
  t.Accept();
  t.Send(1460);
  t.Expect(Data(1, 1460));
  t.At(200_ms).Expect(Data(1, 1460));
  t.At(600_ms).Expect(Data(1, 1460));
  t.At(1400_ms).Expect(Data(1, 1024));
  EXPECT_EQ(t.counters().black_holes, 1u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
