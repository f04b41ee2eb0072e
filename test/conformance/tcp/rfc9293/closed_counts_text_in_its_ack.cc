// RFC 9293 3.10.7.1: SEG.LEN of the answer to a segment without ACK counts text and FIN.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ClosedCountsTextInItsAck) {
  Exchange t({.listening = false});
  t.Peer(Flags(kFin).At(1).Text(100));
  t.Expect(Rst(0).Acking(102));
}

}  // namespace meltemi::tcp::conformance
