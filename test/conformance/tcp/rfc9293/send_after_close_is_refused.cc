// RFC 9293 3.10.2, FIN-WAIT-1: "Return 'error: connection closing' and do not service request."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SendAfterCloseIsRefused) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Send(100);
  t.ExpectNothing(190_ms);
  EXPECT_EQ(t.counters().send_after_finish, 1u);
  t.Abort();
  t.Expect(Rst(2).Acking(1));
}

}  // namespace meltemi::tcp::conformance
