// RFC 9293 3.9.1, SEND with PUSH: what is queued leaves with it, in whole segments and the rest.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CorkEndsWithTextThatNothingFollows) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.SendCorked(900);
  t.ExpectNothing();
  t.Send(300);
  t.Expect(Data(1, 1000));
  t.Expect(Data(1001, 200).With(kPsh));
  t.Peer(Ack(1201));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
