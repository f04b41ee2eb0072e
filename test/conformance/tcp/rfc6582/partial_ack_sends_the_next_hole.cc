// RFC 6582 3.2 (3): Partial acknowledgments ... retransmit the first unacknowledged segment.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6582, PartialAckSendsTheNextHole) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(8000);
  for (uint32_t i = 0; i < 8; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(10_ms).Peer(Ack(1)).Peer(Ack(1)).Peer(Ack(1));
  t.Expect(Data(1, 1000));
  t.At(20_ms).Peer(Ack(3001));
  t.Expect(Data(3001, 1000));
  t.ExpectNothing();
  t.At(30_ms).Peer(Ack(8001));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
