// RFC 9293 3.10.7.2, first: "An incoming RST should be ignored."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ListenDropsRst) {
  Exchange t;
  t.Peer(Rst(1));
  t.ExpectNothing(10_s).ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
