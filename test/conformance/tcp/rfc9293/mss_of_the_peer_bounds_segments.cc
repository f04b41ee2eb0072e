// RFC 9293 3.7.1 (MUST-16): "The maximum size of a segment that a TCP endpoint really sends ...
// MUST be the smaller".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, MssOfThePeerBoundsSegments) {
  Exchange t;
  t.Accept(Syn().Mss(700));
  t.Send(1400);
  t.Expect(Data(1, 700)).Expect(Data(701, 700));
}

}  // namespace meltemi::tcp::conformance
