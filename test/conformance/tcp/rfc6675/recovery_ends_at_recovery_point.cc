// RFC 6675 5 (A): An incoming cumulative ACK for a sequence number greater than or equal to
// RecoveryPoint signals the end of loss recovery.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, RecoveryEndsAtRecoveryPoint) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(6000);
  t.Forget();
  t.At(30_ms).Peer(Ack(1).Sack({{1001, 6001}}));
  t.Expect(Data(1, 1000));
  t.At(40_ms).Peer(Ack(6001));
  t.Send(1000);
  t.Expect(Data(6001, 1000));
  t.Peer(Ack(7001));
  t.ExpectNothing(10_s);
  EXPECT_EQ(t.counters().fast_recoveries, 1u);
}

}  // namespace meltemi::tcp::conformance
