// RFC 7323 2.2: If a Window Scale option is received in a segment without SYN it MUST be ignored.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleLaterThanSynIsIgnored) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Peer(Ack(1).Window(1000).Scale(7));
  t.Send(2000);
  t.Expect(Data(1, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
