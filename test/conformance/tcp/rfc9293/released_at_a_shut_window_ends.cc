// RFC 9293 3.8.6.1 keeps a connection at a shut window open for its user; without one it ends.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ReleasedAtAShutWindowEnds) {
  Exchange t;
  t.Accept();
  t.Peer(Ack(1).Window(0));
  t.Send(100);
  t.Release();
  for (int i = 0; i < 600 && t.tcp().conn_count() > 0; ++i) {
    t.Forget().After(1_s);
    if (t.sent_count() > 0 && t.tcp().conn_count() > 0) t.Forget().Peer(Ack(1).At(1).Window(0));
  }
  t.Forget().ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
