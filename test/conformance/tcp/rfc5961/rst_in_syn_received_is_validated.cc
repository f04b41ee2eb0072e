// RFC 5961 3.2 holds in SYN-RECEIVED: in the window but not at RCV.NXT is challenged.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, RstInSynReceivedIsValidated) {
  Exchange t;
  t.Peer(Syn());
  t.Expect(SynAck());
  t.Peer(Rst(2));
  t.Expect(Ack(1).At(1));
  t.ExpectConnections(1);
  t.Peer(Rst(1));
  t.ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
