// RFC 9293 3.10.4, FIN-WAIT-1: a second CLOSE is an error, no second FIN.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseTwiceIsOneFin) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Finish();
  t.Expect(Fin(1));
  t.ExpectNothing(190_ms);
  t.Abort();
  t.Expect(Rst(2).Acking(1));
}

}  // namespace meltemi::tcp::conformance
