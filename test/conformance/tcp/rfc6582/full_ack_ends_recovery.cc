// RFC 6582 3.2 (3): a full acknowledgment acknowledges all of the data up to and including
// recover: nothing is sent again.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6582, FullAckEndsRecovery) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(8000);
  for (uint32_t i = 0; i < 8; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(10_ms).Peer(Ack(1)).Peer(Ack(1)).Peer(Ack(1));
  t.Expect(Data(1, 1000));
  t.At(20_ms).Peer(Ack(8001));
  t.Send(1000);
  t.Expect(Data(8001, 1000));
  t.ExpectNothing(200_ms);
}

}  // namespace meltemi::tcp::conformance
