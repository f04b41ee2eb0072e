// RFC 6928 3: what the peer's initial window sends has room: ten segments and more, from the first
// window on.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6928, ReceiveWindowTakesTenSegments) {
  Exchange t;
  t.Accept();
  for (uint32_t i = 0; i < 10; ++i) t.Peer(Data(1 + i * 1460, 1460)).Forget();
  t.ExpectReceived(14'600);
}

}  // namespace meltemi::tcp::conformance
