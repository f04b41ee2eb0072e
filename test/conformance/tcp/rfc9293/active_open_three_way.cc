// RFC 9293 3.5, figure 6, the other side: the ACK of the SYN-ACK goes out at once.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ActiveOpenThreeWay) {
  Exchange t;
  t.Connect();
  t.Expect(Syn().Mss(1460));
  t.At(50_ms).Peer(SynAck(1).Mss(1400));
  t.Expect(Ack(1).At(1));
  t.ExpectEvent(Kind::kConnected);
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
