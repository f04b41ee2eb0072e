// RFC 9293 3.10.7.1: "An incoming segment containing a RST is discarded."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ClosedDropsRst) {
  Exchange t({.listening = false});
  t.Peer(Rst(1));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
