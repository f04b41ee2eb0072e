// RFC 9293 3.10.7.3, second: "Otherwise (no ACK), drop the segment and return."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynSentRstWithoutAckIsDropped) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(Rst(0));
  t.ExpectNothing().ExpectNoEvent();
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
