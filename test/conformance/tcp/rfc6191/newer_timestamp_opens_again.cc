// RFC 6191 2 (1): with timestamps, a SYN whose timestamp is greater than the last is accepted,
// whatever its sequence number.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6191, NewerTimestampOpensAgain) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.Peer(Data(1, 1000));
  t.Expect(Ack(1001));
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1001));
  t.Expect(Ack(1002));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.At(1_s).Peer(Syn().At(500).Ts(3000, 0));
  EXPECT_EQ(t.Take().ack, 501u);
}

}  // namespace meltemi::tcp::conformance
