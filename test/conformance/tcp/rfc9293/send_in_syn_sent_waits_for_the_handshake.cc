// RFC 9293 3.10.2, SYN-SENT: "Queue the data for transmission after entering ESTABLISHED state."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SendInSynSentWaitsForTheHandshake) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Send(100);
  t.ExpectNothing();
  t.Peer(SynAck().Mss(1460));
  t.ExpectEvent(Kind::kConnected);
  t.Expect(Data(1, 100).Acking(1));
}

}  // namespace meltemi::tcp::conformance
