// RFC 9293 3.8.6.2.1, (4): what waits for a whole segment waits no longer than an override timeout,
// 200 ms from when it was corked, as Linux's TCP_CORK: with and without text in flight.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CorkEndsAfter200Ms) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.SendCorked(300);
  t.ExpectNothing(199_ms);
  t.At(200_ms).Expect(Data(1, 300));
  t.At(210_ms).Peer(Ack(301));
  t.At(300_ms).SendCorked(1100);
  t.Expect(Data(301, 1000));
  t.At(450_ms).SendCorked(10);  // does not begin it anew
  t.Peer(Ack(1301));
  t.ExpectNothing(499_ms);
  t.At(500_ms).Expect(Data(1301, 110));
  t.Peer(Ack(1411));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
