// RFC 9438 4.6: beta_cubic = 0.7: of ten segments seven are left.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9438, LossKeepsSevenTenths) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(10'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 10'001}}));
  t.Expect(Data(1, 1000));
  t.At(60_ms).Peer(Ack(10'001));
  t.Send(50'000);
  EXPECT_EQ(t.sent_count(), 7u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
