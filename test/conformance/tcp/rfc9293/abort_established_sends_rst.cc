// RFC 9293 3.10.5, ESTABLISHED: "Send a reset segment: <SEQ=SND.NXT><CTL=RST>".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, AbortEstablishedSendsRst) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.Abort();
  t.Expect(Rst(101).Acking(1));
  t.ExpectConnections(0).ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
