// RFC 5461 2.1 and RFC 9293 3.9.2.2 (SHLD-26): a hard error ends an open in progress.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5461, HardErrorInSynSentEndsTheOpen) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Icmp(0, true);
  t.ExpectEvent(Kind::kConnectFailed, TcpError::kUnreachable);
}

}  // namespace meltemi::tcp::conformance
