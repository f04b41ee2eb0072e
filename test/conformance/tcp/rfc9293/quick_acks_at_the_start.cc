// RFC 5681 4.2 lets every segment be acknowledged; the first eight are, for the peer's slow start.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, QuickAcksAtTheStart) {
  Exchange t;
  t.Accept();
  for (uint32_t i = 0; i < 8; ++i) {
    t.Peer(Data(1 + i * 1460, 1460));
    t.Expect(Ack(1461 + i * 1460));
  }
  t.Peer(Data(11'681, 1460));
  t.ExpectNothing(39_ms);
  t.At(40_ms).Expect(Ack(13'141));
}

}  // namespace meltemi::tcp::conformance
