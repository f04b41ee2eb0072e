// RFC 2018 8: the data sender MUST NOT discard data ... until acknowledged; after a timeout
// SACKed text is sent again if the peer threw it away.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, RenouncedBlocksAreSentAgainAfterATimeout) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(2000);
  t.Expect(Data(1, 1000)).Expect(Data(1001, 1000));
  t.At(21_ms).Peer(Ack(1).Sack({{1001, 2001}}));
  t.At(5_s).Forget().Peer(Ack(1001));
  bool again = t.sent_count() > 0 && t.Take().seq == 1001u;
  for (int i = 0; i < 100 && !again; ++i) {
    t.After(1_s);
    while (t.sent_count() > 0) again = t.Take().seq == 1001u || again;
  }
  EXPECT_TRUE(again);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
