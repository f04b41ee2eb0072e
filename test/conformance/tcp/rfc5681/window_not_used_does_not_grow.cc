// RFC 5681 3.1, RFC 9293 3.8.2: cwnd grows only while it is what limits the sender.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, WindowNotUsedDoesNotGrow) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  for (uint32_t i = 0; i < 30; ++i) {
    t.Send(1000);
    t.Expect(Data(1 + i * 1000, 1000));
    t.Peer(Ack(1001 + i * 1000));
  }
  t.Send(60'000);
  EXPECT_EQ(t.sent_count(), 10u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
