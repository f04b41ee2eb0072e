// RFC 9293 3.7.1 (MUST-67): IPv6: the MTU less 60.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, MssOfIpv6) {
  Exchange t({.ipv6 = true});
  t.Peer(Syn().Mss(1440));
  t.Expect(SynAck().Mss(1440));
}

}  // namespace meltemi::tcp::conformance
