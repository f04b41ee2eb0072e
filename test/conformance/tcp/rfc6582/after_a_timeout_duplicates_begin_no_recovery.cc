// RFC 6582 3.2 (4): after a timeout the highest number sent is `recover`, and duplicates of what
// slow start sends again begin no fast retransmit.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6582, AfterATimeoutDuplicatesBeginNoRecovery) {
  Exchange t;
  t.Accept(Syn().Mss(1000), 20_ms);
  t.Send(5000);
  t.Forget();
  while (t.counters().rto_expirations == 0) t.After(1_ms);
  t.Expect(Data(1, 1000));
  for (int i = 0; i < 4; ++i) t.Peer(Ack(1)).Forget();
  EXPECT_EQ(t.counters().fast_recoveries, 0u);
}

}  // namespace meltemi::tcp::conformance
