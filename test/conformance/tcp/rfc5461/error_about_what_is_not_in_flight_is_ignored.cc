// RFC 5927 4.1: the quoted number must be within what is sent and not acknowledged.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5461, ErrorAboutWhatIsNotInFlightIsIgnored) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Icmp(1, true);
  t.Icmp(0xffff'0000, true);
  t.ExpectNoEvent().ExpectConnections(1);
  EXPECT_EQ(t.counters().icmp_ignored, 2u);
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
