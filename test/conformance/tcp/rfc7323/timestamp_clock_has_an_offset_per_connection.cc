// RFC 7323 5.4, 7.1: generate a random offset per connection: two tuples read different clocks.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampClockHasAnOffsetPerConnection) {
  Exchange a;
  Exchange b({.ipv6 = true});
  a.Peer(Syn().Ts(1, 0));
  b.Peer(Syn().Ts(1, 0));
  a.Expect(SynAck());
  b.Expect(SynAck());
  EXPECT_NE(a.clock_offset(), b.clock_offset());
}

}  // namespace meltemi::tcp::conformance
