// RFC 3168 6.1.2: treated as a loss once per window, nothing sent again; the next new text carries
// CWR.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, EchoLowersTheWindowAndIsAnswered) {
  Exchange t;
  t.Peer(Syn().Mss(1000).SackOk().With(kEce | kCwr));
  t.Expect(SynAck().With(kEce));
  t.At(20_ms).Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(40'000);
  t.Forget().At(40_ms);
  for (uint32_t i = 1; i <= 10 && t.sent_count() == 0; ++i) t.Peer(Ack(1 + i * 1000).With(kEce));
  t.Expect(Data(10'001, 1000).With(kCwr).Ecn(2));
  EXPECT_EQ(t.counters().retransmits, 0u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
