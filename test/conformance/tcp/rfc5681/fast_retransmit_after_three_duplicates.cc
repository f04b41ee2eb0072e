// RFC 5681 3.2 (2): When the third duplicate ACK is received ... the lost segment ... MUST be
// retransmitted.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, FastRetransmitAfterThreeDuplicates) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(6000);
  for (uint32_t i = 0; i < 6; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(10_ms).Peer(Ack(1)).Peer(Ack(1));
  t.ExpectNothing();
  t.Peer(Ack(1));
  t.Expect(Data(1, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
