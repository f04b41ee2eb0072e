// RFC 6528 3: F is a keyed hash of the tuple: another key, other numbers.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6528, IsnDependsOnTheKey) {
  TcpOptions keyed{.conn_count_max = 64};
  keyed.isn_key[0] = 1;
  Exchange a;
  Exchange b({.tcp = keyed});
  a.Connect();
  b.Connect();
  a.Expect(Syn());
  b.Expect(Syn());
  EXPECT_NE(a.our_isn(), b.our_isn());
  a.Abort();
  b.Abort();
}

}  // namespace meltemi::tcp::conformance
