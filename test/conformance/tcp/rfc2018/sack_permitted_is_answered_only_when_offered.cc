// RFC 2018 2: both sides must have sent it; a SYN-ACK answers an offer only.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, SackPermittedIsAnsweredOnlyWhenOffered) {
  Exchange a;
  a.Peer(Syn().Mss(1460));
  a.Expect(SynAck().NoSackOk());
  Exchange b;
  b.Peer(Syn().Mss(1460).SackOk());
  b.Expect(SynAck().SackOk());
}

}  // namespace meltemi::tcp::conformance
