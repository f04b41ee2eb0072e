// RFC 1191 6.2 and limits.h: a forged MTU of 68 does not make segments of 28 bytes.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc1191, MtuHasAFloor) {
  Exchange t;
  t.Accept();
  t.Send(1460);
  t.Expect(Data(1, 1460));
  t.Icmp(1, false, 68);
  EXPECT_GE(t.Take().text_bytes, 500u);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
