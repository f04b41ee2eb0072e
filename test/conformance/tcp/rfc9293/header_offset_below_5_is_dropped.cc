// RFC 9293 3.1: a header has at least five words.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, HeaderOffsetBelow5IsDropped) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 4).DataOffset(4));
  t.ExpectNothing(1_s).ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
