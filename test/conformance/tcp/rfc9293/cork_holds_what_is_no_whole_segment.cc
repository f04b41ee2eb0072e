// RFC 9293 3.9.1, SEND without PUSH: text may be gathered "to allow for efficient packetization";
// the user says by the cork that more follows at once.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CorkHoldsWhatIsNoWholeSegment) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.SendCorked(10);
  t.ExpectNothing();
  t.SendCorked(2500);
  t.Expect(Data(1, 1000));
  t.Expect(Data(1001, 1000));
  t.Peer(Ack(2001));  // an acknowledgement lets nothing go: this is no Nagle
  t.ExpectNothing(100_ms);
}

}  // namespace meltemi::tcp::conformance
