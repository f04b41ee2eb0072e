// RFC 5961 3.2, 1): "If the RST bit is set and the sequence number is outside the current receive
// window, silently drop the segment."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, RstOutsideWindowIsDropped) {
  Exchange t;
  t.Accept();
  t.Peer(Rst(1 + 1'000'000));
  t.Peer(Rst(0));
  t.ExpectNothing(1_s).ExpectNoEvent().ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
