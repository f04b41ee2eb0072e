// RFC 2018 3: "If the data receiver has not received a SACK-Permitted option for a given
// connection, it MUST NOT send SACK options on that connection."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, NoBlocksWhenNotPermitted) {
  Exchange t;
  t.Accept(Syn().Mss(1460));
  t.Peer(Data(101, 100));
  t.Expect(Ack(1).Sack({}));
}

}  // namespace meltemi::tcp::conformance
