// RFC 6675 4, NextSeg (1), (2): first what is lost, from below; then new text, as far as the pipe
// has room: seven of ten segments.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, LostTextGoesBeforeNewText) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(20'000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 2001}, {3001, 9001}}));
  t.Expect(Data(1, 1000));
  t.Expect(Data(2001, 1000));
  for (uint32_t i = 0; i < 4; ++i) t.Expect(Data(10'001 + i * 1000, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
