// RFC 7323 2.2: both sides must have sent it; zero is an offer too.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleIsAnsweredWhenOffered) {
  Exchange t;
  t.Peer(Syn().Mss(1460).Scale(0));
  t.Expect(SynAck().Scale(3));
}

}  // namespace meltemi::tcp::conformance
