// RFC 9293 3.5.1, figure 10: we have forgotten the connection: the text that still comes is
// answered with a RST at its acknowledgement.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, TextAfterOurAbortGetsRst) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.Peer(Ack(101));
  t.Abort();
  t.Forget();
  t.Peer(Data(1, 500).Acking(101));
  t.Expect(Rst(101));
  t.ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
