// RFC 3168 6.1.1: a SYN that does not ask: some paths drop one that does.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, ActiveSideDoesNotAskByDefault) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
