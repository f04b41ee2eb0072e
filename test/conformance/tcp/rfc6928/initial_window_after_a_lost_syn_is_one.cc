// RFC 6928 2, RFC 5681 3.1: "the initial window used by a sender after a correctly transmitted SYN
// MUST be one segment" when the SYN was sent again.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6928, InitialWindowAfterALostSynIsOne) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.At(1_s).Expect(Syn());
  t.Peer(SynAck(1).Mss(1000));
  t.Expect(Ack(1));
  t.ExpectEvent(Kind::kConnected);
  t.Send(5000);
  t.Expect(Data(1, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
