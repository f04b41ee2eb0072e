// RFC 9293 3.8.3 (SHLD-11): "The value of R2 SHOULD correspond to at least 100 seconds."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, RetransmissionGivesUpAfterR2) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Forget();
  for (int s = 1; s <= 100; ++s) t.At(Duration::Seconds(s)).Forget();
  t.ExpectNoEvent();
  for (int s = 101; s <= 1000; ++s) t.At(Duration::Seconds(s)).Forget();
  t.ExpectEvent(Kind::kClosed, TcpError::kTimeout).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
