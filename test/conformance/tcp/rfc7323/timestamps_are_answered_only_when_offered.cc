// RFC 7323 3.2: MAY send TSopt in <SYN,ACK> only if it received a TSopt in the initial <SYN>.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampsAreAnsweredOnlyWhenOffered) {
  Exchange t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck().NoTs());
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(10);
  t.Expect(Data(1, 10).NoTs());
}

}  // namespace meltemi::tcp::conformance
