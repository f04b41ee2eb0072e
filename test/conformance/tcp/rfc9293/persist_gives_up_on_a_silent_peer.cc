// RFC 9293 3.8.3 (MUST-20): probes that nobody answers end as retransmissions do.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, PersistGivesUpOnASilentPeer) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Peer(Ack(1).Window(0));
  t.Send(500);
  for (int seconds = 0; seconds < 1200; ++seconds) t.Forget().After(1_s);
  t.Forget();
  t.ExpectEvent(Kind::kClosed, TcpError::kTimeout).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
