// RFC 6675 5.1: after a timeout what was sent before it begins no recovery: RecoveryPoint is
// HighData.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, AfterATimeoutNoRecoveryBeginsBelowIt) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(8000);
  t.Forget();
  while (t.counters().rto_expirations == 0) t.After(1_ms).Forget();
  t.After(20_ms).Peer(Ack(1001));
  t.Expect(Data(1001, 1000));
  t.Expect(Data(2001, 1000));
  t.After(20_ms).Peer(Ack(1001).Sack({{2001, 3001}}));
  t.Expect(Data(1001, 1000));
  t.Forget();
  EXPECT_EQ(t.counters().fast_recoveries, 0u);
  t.After(20_ms).Peer(Ack(8001));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
