// RFC 9293 3.10.1: OPEN of a connection that exists: "Return 'error: connection already exists'."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ConnectionNamesAreUnique) {
  Exchange t;
  t.Accept();
  EXPECT_FALSE(t.tcp().Connect(t.tuple(), {}, 0, Instant::Never(), Instant()).valid());
}

}  // namespace meltemi::tcp::conformance
