// RFC 9293 3.7.1 (SHLD-5): in a SYN-ACK too, whatever the peer's is.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, MssOptionIsSentInSynAck) {
  Exchange t;
  t.Peer(Syn().Mss(500));
  t.Expect(SynAck().Mss(1460));
}

}  // namespace meltemi::tcp::conformance
