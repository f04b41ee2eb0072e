// RFC 9293 3.9.1.1: OPEN's timeout: the local user ... will be notified when it has passed.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ConnectDeadline) {
  Exchange t;
  t.Connect(250_ms);
  t.Expect(Syn());
  t.ExpectNothing(249_ms).ExpectNoEvent();
  t.ExpectNothing(251_ms).ExpectEvent(Kind::kConnectFailed, TcpError::kTimeout);
}

}  // namespace meltemi::tcp::conformance
