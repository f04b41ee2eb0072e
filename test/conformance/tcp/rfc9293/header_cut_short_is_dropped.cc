// RFC 9293 3.1: 19 bytes are no TCP header.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, HeaderCutShortIsDropped) {
  Exchange t;
  t.Peer(Syn().CutTo(19));
  t.ExpectNothing(1_s).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
