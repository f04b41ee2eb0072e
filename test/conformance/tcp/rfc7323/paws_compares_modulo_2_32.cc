// RFC 7323 5.2: TSval ... compared using unsigned 32-bit modular arithmetic: the peer's clock
// wraps.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, PawsComparesModulo232) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(0xffff'fff0, 0));
  t.Peer(Data(1, 100).Ts(5, 0));
  t.Expect(Ack(101).Ts(0, 5)).ExpectReceived(100);
  t.Peer(Data(101, 100).Ts(0xffff'fff5, 0));
  t.Expect(Ack(101)).ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
