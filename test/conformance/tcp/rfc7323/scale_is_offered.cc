// RFC 7323 2.2: a SYN offers the window scale; ours is 3.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleIsOffered) {
  Exchange t;
  t.Connect();
  t.Expect(Syn().Scale(3));
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
