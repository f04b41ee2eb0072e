// RFC 7323 2.3: SEG.WND = RCV.WND >> Rcv.Wind.Shift: what is said is not shifted in the SYN-ACK,
// and is afterwards.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleDividesOurWindow) {
  Exchange t;
  t.Peer(Syn().Mss(1460).Scale(7));
  const Packet answer = t.Take();
  EXPECT_EQ(answer.window, 65'535);
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(1);
  EXPECT_EQ(uint32_t{*t.Take().window} << *answer.scale, limits::kTcpReceiveWindowBytes);
}

}  // namespace meltemi::tcp::conformance
