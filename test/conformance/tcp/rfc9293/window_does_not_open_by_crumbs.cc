// RFC 9293 3.8.6.2.2 (MUST-39): the window must not advance by less than min(half the buffer, a
// segment).
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, WindowDoesNotOpenByCrumbs) {
  Exchange t({.reader = Reader::kIdle});
  t.Accept();
  t.FillWindow();
  t.Consumed(1000);
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
