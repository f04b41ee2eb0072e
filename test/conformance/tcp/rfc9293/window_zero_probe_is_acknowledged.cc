// RFC 9293 3.8.6.1 (MUST-36 of the other side): a probe of a shut window is answered with RCV.NXT
// and the window.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, WindowZeroProbeIsAcknowledged) {
  Exchange t({.reader = Reader::kIdle});
  t.Accept();
  const uint32_t edge = t.FillWindow();
  t.Peer(Data(edge, 1));
  t.Expect(Ack(edge).Window(0)).ExpectReceived(edge - 1);
}

}  // namespace meltemi::tcp::conformance
