// RFC 9293 3.6: a peer that never closes cannot hold a connection nobody owns: ours ends after 60
// s.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ReleasedFinWait2Ends) {
  Exchange t;
  t.Accept();
  t.Release();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.ExpectNothing(59_s).ExpectConnections(1);
  t.ExpectNothing(61_s).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
