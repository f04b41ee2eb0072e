// RFC 3168 6.1.1.1: the host may send ... a SYN without ECN when the first was lost.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, LostSynIsRepeatedWithoutAsking) {
  Exchange t({.tcp = {.conn_count_max = 4, .ecn = Ecn::kAsk}});
  t.Connect();
  t.Expect(Syn().With(kEce | kCwr));
  t.At(1_s).Expect(Syn());
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
