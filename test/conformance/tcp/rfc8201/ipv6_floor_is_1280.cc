// RFC 8201 4: a node MUST NOT reduce its estimate of the Path MTU below the IPv6 minimum link
// MTU: 1280, so 1220 bytes of text.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8201, Ipv6FloorIs1280) {
  Exchange t({.ipv6 = true});
  t.Accept(Syn().Mss(1440));
  t.Send(1440);
  t.Expect(Data(1, 1440));
  t.At(1_ms).Icmp(1, false, 600);
  t.Expect(Data(1, 1220)).Expect(Data(1221, 220));
}

}  // namespace meltemi::tcp::conformance
