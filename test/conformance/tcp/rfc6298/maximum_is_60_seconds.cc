// RFC 6298 (2.5): "A maximum value MAY be placed on RTO provided it is at least 60 seconds."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, MaximumIs60Seconds) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  Duration last;
  Duration gap;
  for (int s = 0; s < 400; ++s) {
    t.After(1_s);
    if (t.sent_count() == 0) continue;
    t.Forget();
    gap = t.now() - last;
    last = t.now();
  }
  EXPECT_GE(gap, 59_s);
  EXPECT_LE(gap, 61_s);
  t.Abort();
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
