// RFC 9293 3.8.4 (MUST-25, MAY): the application "can turn them on or off for each TCP connection",
// with times of its own.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, KeepaliveOfAConnectionOfItsOwn) {
  Exchange t;
  t.Connect();
  t.SetKeepalive({.idle = 10_s, .interval = 3_s, .probes = 2});
  t.Expect(Syn());
  t.Peer(SynAck().Mss(1460));
  t.ExpectEvent(Kind::kConnected);
  t.Expect(Ack(1));
  t.ExpectNothing(9_s);
  t.At(10_s).Expect(Ack(1).At(0));
  t.At(13_s).Expect(Ack(1).At(0));
  t.At(16_s).Expect(Rst(1).Acking(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kTimeout);
}

}  // namespace meltemi::tcp::conformance
