// RFC 9937 6.2: On recovery end, cwnd = ssthresh: seven of ten segments, six of which are in
// flight.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9937, RecoveryEndsAtSsthresh) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(20'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, 1000));
  for (uint32_t i = 0; i < 6; ++i) {
    t.Peer(Ack(1).Sack({{1001, 5001 + i * 1000}}));
    t.Expect(Data(10'001 + i * 1000, 1000));
  }
  t.At(60_ms).Peer(Ack(10'001));
  t.Expect(Data(16'001, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
