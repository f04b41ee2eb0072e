// RFC 6298 (5.3): only new data restarts it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, TimerIsNotRestartedByADuplicateAck) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(2000);
  t.Expect(Data(1, 1000)).Expect(Data(1001, 1000));
  t.At(100_ms).Peer(Ack(1));
  t.ExpectNothing(199_ms);
  t.At(200_ms).Expect(Data(1, 1000));
}

}  // namespace meltemi::tcp::conformance
