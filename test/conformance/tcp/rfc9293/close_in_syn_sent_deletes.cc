// RFC 9293 3.10.4, SYN-SENT: "Delete the TCB".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseInSynSentDeletes) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Release();
  t.ExpectConnections(0).ExpectNothing(10_s).ExpectNoEvent();
}

}  // namespace meltemi::tcp::conformance
