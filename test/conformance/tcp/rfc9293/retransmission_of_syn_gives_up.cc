// RFC 9293 3.8.3 (MUST-23): R2 of a SYN; ours ends after five repeats, 63 s.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, RetransmissionOfSynGivesUp) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  for (Duration at : {1_s, 3_s, 7_s, 15_s, 31_s}) t.At(at).Expect(Syn());
  t.ExpectNothing(62_s).ExpectNoEvent();
  t.ExpectNothing(64_s).ExpectEvent(Kind::kConnectFailed, TcpError::kTimeout);
}

}  // namespace meltemi::tcp::conformance
