// RFC 9293 3.5, figure 7: SYN crosses SYN; both answer SYN-ACK and are connected (MUST-10).
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SimultaneousOpen) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck(1));
  t.ExpectNoEvent();
  t.Peer(SynAck(1));
  t.ExpectEvent(Kind::kConnected);
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
