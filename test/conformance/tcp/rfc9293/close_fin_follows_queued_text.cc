// RFC 9293 3.10.4, ESTABLISHED: "Queue this until all preceding SENDs have been segmentized, then
// form a FIN segment".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, CloseFinFollowsQueuedText) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(2500);
  t.Finish();
  t.Expect(Data(1, 1000)).Expect(Data(1001, 1000)).Expect(Data(2001, 500));
  t.Expect(Fin(2501));
  t.Peer(Ack(2502));
  t.ExpectNothing(10_s);
  t.Abort();
  t.Expect(Rst(2502).Acking(1));
}

}  // namespace meltemi::tcp::conformance
