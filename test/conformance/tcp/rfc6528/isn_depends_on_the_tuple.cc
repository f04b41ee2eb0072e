// RFC 6528 3: F is over addresses and ports: an IPv6 twin of the same ports gets another number.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6528, IsnDependsOnTheTuple) {
  Exchange a;
  Exchange b({.ipv6 = true});
  a.Connect();
  b.Connect();
  a.Expect(Syn());
  b.Expect(Syn());
  EXPECT_NE(a.our_isn(), b.our_isn());
  a.Abort();
  b.Abort();
}

}  // namespace meltemi::tcp::conformance
