// RFC 9293 3.7.1 (SHLD-5): the MSS option in every SYN: the MTU less 40.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, MssOptionIsSentInSyn) {
  Exchange t({.path = {.mtu = 1400}});
  t.Connect();
  t.Expect(Syn().Mss(1360));
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
