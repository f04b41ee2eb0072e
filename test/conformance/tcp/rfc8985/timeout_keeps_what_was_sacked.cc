// RFC 8985 6.3: upon a timeout what is not SACKed is lost, what is SACKed is not sent again.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, TimeoutKeepsWhatWasSacked) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(4000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{2001, 4001}}));
  t.After(6_ms).Forget();
  while (t.counters().rto_expirations == 0) t.After(1_ms);
  t.Expect(Data(1, 1000));
  t.After(20_ms).Peer(Ack(1001).Sack({{2001, 4001}}));
  t.Expect(Data(1001, 1000));
  t.After(20_ms).Peer(Ack(4001));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
