// RFC 9293 3.10.7.4, first: ... and RSTs with a shut window.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, WindowZeroRstIsProcessed) {
  Exchange t({.reader = Reader::kIdle});
  t.Accept();
  const uint32_t edge = t.FillWindow();
  t.Peer(Rst(edge));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
}

}  // namespace meltemi::tcp::conformance
