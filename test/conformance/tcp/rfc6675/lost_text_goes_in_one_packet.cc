// RFC 6675 5 (C): as much as cwnd - pipe lets out; where the port cuts segments, as one packet.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6675, LostTextGoesInOnePacket) {
  Exchange t({.path = {.mtu = 1500, .super_frame_bytes_max = 65'535}});
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(10'000);
  t.Expect(Data(1, 10'000));
  // The first four are missing. PRR: at first no more than is known to have left.
  t.At(40_ms).Peer(Ack(1).Sack({{4001, 10'001}}));
  t.Expect(Data(1, 4000));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().super_frames_out, 2u);
}

}  // namespace meltemi::tcp::conformance
