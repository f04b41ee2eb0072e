// RFC 9293 3.10.8: the FIN occupies a sequence number and is retransmitted.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseFinIsSentAgain) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.At(200_ms).Expect(Fin(1));
  t.At(600_ms).Expect(Fin(1));
  t.Peer(Ack(2));
  t.ExpectNothing(10_s);
  t.Abort();
  t.Expect(Rst(2).Acking(1));
}

}  // namespace meltemi::tcp::conformance
