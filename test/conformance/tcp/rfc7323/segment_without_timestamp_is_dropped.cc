// RFC 7323 3.2: If a non-<RST> segment is received without a TSopt, a TCP SHOULD silently drop the
// segment.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, SegmentWithoutTimestampIsDropped) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.Peer(Data(1, 100).NoTs());
  t.ExpectNothing(1_s).ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
