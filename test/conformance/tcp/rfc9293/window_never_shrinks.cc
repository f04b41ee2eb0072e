// RFC 9293 3.8.6 (SHLD-14): "A TCP receiver SHOULD NOT shrink the window, i.e., move the right
// window edge to the left."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, WindowNeverShrinks) {
  Exchange t({.reader = Reader::kIdle});
  t.Accept();
  t.Peer(Data(1, 1000));
  t.Expect(Ack(1001).Window(65535));
  for (uint32_t i = 0; i < 260; ++i) t.Peer(Data(1001 + i * 1000, 1000));
  uint32_t edge = 0;
  while (t.sent_count() > 0) {
    const Packet got = t.Take();
    EXPECT_GE(*got.ack + *got.window, edge);
    edge = *got.ack + *got.window;
  }
}

}  // namespace meltemi::tcp::conformance
