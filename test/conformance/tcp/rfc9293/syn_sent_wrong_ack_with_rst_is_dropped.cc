// RFC 9293 3.10.7.3, first: "(unless the RST bit is set, if so drop the segment and return)".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynSentWrongAckWithRstIsDropped) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(Rst(0).Acking(2));
  t.ExpectNothing().ExpectNoEvent();
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
