// RFC 5682 2.1 (2b): without new text to send, slow start sends the old again.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5682, WithoutNewTextOldIsSent) {
  Exchange t;
  t.Accept(Syn().Mss(1000), 20_ms);
  t.Send(4000);
  t.Forget().At(220_ms).Expect(Data(1, 1000));
  t.Peer(Ack(1001));
  t.Expect(Data(1001, 1000)).Expect(Data(2001, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
