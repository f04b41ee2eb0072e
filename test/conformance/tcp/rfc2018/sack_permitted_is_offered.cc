// RFC 2018 2: the SACK-permitted option goes with the SYN.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, SackPermittedIsOffered) {
  Exchange t;
  t.Connect();
  t.Expect(Syn().SackOk());
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
