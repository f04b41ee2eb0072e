// RFC 9293 3.10.7.3, fifth: "if neither of the SYN or RST bits is set, then drop the segment and
// return."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynSentNeitherSynNorRstIsDropped) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(Ack(1).At(1));
  t.Peer(Data(1, 10));
  t.ExpectNothing().ExpectNoEvent();
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
