// RFC 9293 3.9.2.2 (SHLD-25): "TCP implementations SHOULD make the information available to the
// application".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5461, SoftErrorIsToldWhenGivenUp) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Icmp(1, false);
  for (int s = 1; s <= 1000; ++s) t.Forget().At(Duration::Seconds(s));
  t.Forget().ExpectEvent(Kind::kClosed, TcpError::kUnreachable);
}

}  // namespace meltemi::tcp::conformance
