// RFC 8985 6.2 step 4: RACK_update_reo_wnd: while no reordering was seen and DupThresh segments are
// SACKed, the window is zero.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc8985, DupThreshNeedsNoTimer) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(8000);
  t.Forget().At(40_ms).Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, 1000));
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
