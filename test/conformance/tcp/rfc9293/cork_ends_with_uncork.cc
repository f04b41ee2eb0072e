// RFC 9293 3.9.1: the user takes back that more follows, with nothing more to send.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CorkEndsWithUncork) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.SendCorked(1300);
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1001));
  t.At(50_ms).Uncork();
  t.Expect(Data(1001, 300).With(kPsh));
  t.Peer(Ack(1301));
  t.Uncork();
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
