// RFC 9293 3.8.4 (MUST-25): "keep-alives ... MUST default to off".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, KeepaliveIsOffByDefault) {
  Exchange t;
  t.Accept();
  t.ExpectNothing(100'000_s).ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
