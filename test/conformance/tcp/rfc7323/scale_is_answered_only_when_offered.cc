// RFC 7323 2.2: it MUST NOT send a Window Scale option in the <SYN,ACK> unless the SYN had one.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleIsAnsweredOnlyWhenOffered) {
  Exchange t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck().NoScale());
}

}  // namespace meltemi::tcp::conformance
