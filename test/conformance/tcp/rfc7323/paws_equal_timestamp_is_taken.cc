// RFC 7323 5.3 R1: only a smaller one is old.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, PawsEqualTimestampIsTaken) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.Peer(Data(1, 100).Ts(1000, 0));
  t.Expect(Ack(101)).ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
