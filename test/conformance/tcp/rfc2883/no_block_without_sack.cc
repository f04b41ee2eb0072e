// RFC 2883 3: only where SACK has been agreed on.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, NoBlockWithoutSack) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(1, 500)).Expect(Ack(501));
}

}  // namespace meltemi::tcp::conformance
