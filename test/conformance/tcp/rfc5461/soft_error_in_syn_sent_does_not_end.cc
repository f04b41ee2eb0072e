// RFC 9293 3.9.2.2 (MUST-56): a soft error "MUST NOT abort the connection".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5461, SoftErrorInSynSentDoesNotEnd) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Icmp(0, false);
  t.ExpectNoEvent();
  t.Peer(SynAck(1));
  t.Expect(Ack(1));
  t.ExpectEvent(Kind::kConnected);
}

}  // namespace meltemi::tcp::conformance
