// RFC 9293 3.10.5, CLOSE-WAIT: a reset segment too.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, AbortCloseWaitSendsRst) {
  Exchange t;
  t.Accept();
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof);
  t.Abort();
  t.Expect(Rst(1).Acking(2));
}

}  // namespace meltemi::tcp::conformance
