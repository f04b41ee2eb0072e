// RFC 7323 3.2: the SYN-ACK echoes the SYN's value.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampsEchoTheSyn) {
  Exchange t;
  t.At(5_ms).Peer(Syn().Mss(1460).Ts(777, 0));
  t.Expect(SynAck().Ts(5, 777));
}

}  // namespace meltemi::tcp::conformance
