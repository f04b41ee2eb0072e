// RFC 7323 5.5: the timestamp clock ... could wrap its sign bit: TS.Recent is invalid after 24
// days of silence.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, PawsEndsAfter24Days) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(0x9000'0000, 0));
  t.At(Duration::Seconds(24 * 86'400 - 1)).Peer(Data(1, 10).Ts(0x8fff'ffff, 0));
  t.Expect(Ack(1)).ExpectReceived(0);
  t.After(Duration::Seconds(24 * 86'400)).Peer(Data(1, 10).Ts(0x8fff'ffff, 0));
  t.Expect(Ack(11)).ExpectReceived(10);
}

}  // namespace meltemi::tcp::conformance
