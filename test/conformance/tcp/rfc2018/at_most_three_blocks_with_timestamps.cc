// RFC 2018 3: If ... used in conjunction with the Timestamp option ... a maximum of 3 SACK
// blocks.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, AtMostThreeBlocksWithTimestamps) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk().Ts(1, 0));
  for (uint32_t i = 0; i < 5; ++i) t.Peer(Data(101 + i * 200, 100));
  while (t.sent_count() > 1) t.Take();
  EXPECT_EQ(t.Take().sack.size(), 3u);
}

}  // namespace meltemi::tcp::conformance
