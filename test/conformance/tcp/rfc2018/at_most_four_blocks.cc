// RFC 2018 3: up to 4 blocks fit into 40 bytes of options.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, AtMostFourBlocks) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  for (uint32_t i = 0; i < 5; ++i) t.Peer(Data(101 + i * 200, 100));
  while (t.sent_count() > 1) t.Take();
  const Packet last = t.Take();
  EXPECT_EQ(last.sack.size(), 4u);
  EXPECT_EQ(last.sack[0], (SeqRange{901, 1001}));
}

}  // namespace meltemi::tcp::conformance
