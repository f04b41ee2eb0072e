// RFC 9293 3.10.5, SYN-SENT: all queued SENDs and RECEIVEs should be given 'connection reset'
// notification. Delete the TCB: nothing is sent.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, AbortSynSentIsSilent) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Abort();
  t.ExpectNothing(10_s).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
