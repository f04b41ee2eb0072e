// RFC 3042 2: "If a SACK-enabled sender ... MUST NOT send new segments unless the incoming
// duplicate acknowledgment contains new SACK information."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3042, WithSackNoNewsLetsNothingOut) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(30'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 2001}}));
  t.Expect(Data(10'001, 1000));
  for (int i = 0; i < 5; ++i) t.Peer(Ack(1).Sack({{1001, 2001}}));
  t.Peer(Ack(1));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().fast_recoveries, 0u);
}

}  // namespace meltemi::tcp::conformance
