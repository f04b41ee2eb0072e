// RFC 5961 7: an ACK throttling mechanism: a second challenge within half a second is not sent.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, ChallengesAreLimited) {
  Exchange t;
  t.Accept();
  t.Peer(Rst(2));
  t.Expect(Ack(1));
  t.Peer(Rst(3));
  t.Peer(Syn().At(100));
  t.Peer(Rst(4));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().challenge_acks_limited, 3u);
  t.At(600_ms).Peer(Rst(2));
  t.Expect(Ack(1));
}

}  // namespace meltemi::tcp::conformance
