// RFC 7323 2.3: "SEG.WND = RCV.WND >> Rcv.Wind.Shift".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleDividesOurWindow) {
  Exchange t;
  t.Peer(Syn().Mss(1460).Scale(7));
  t.Expect(SynAck().Window(65'535));
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(1);
  const Packet got = t.Take();
  EXPECT_GE(uint32_t{*got.window} << 3, 65'535u - 7);
}

}  // namespace meltemi::tcp::conformance
