// RFC 9293 3.9.1, CLOSE: "close" is a push: what is queued leaves, and the FIN with it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CorkEndsWithFin) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.SendCorked(300);
  t.ExpectNothing(20_ms);
  t.Finish();
  t.Expect(Fin(1).Text(300).Acking(1));
}

}  // namespace meltemi::tcp::conformance
