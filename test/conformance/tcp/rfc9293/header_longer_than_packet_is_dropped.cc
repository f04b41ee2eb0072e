// RFC 9293 3.1: a data offset beyond the packet's end makes no header.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, HeaderLongerThanPacketIsDropped) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 4).DataOffset(15));
  t.ExpectNothing(1_s).ExpectReceived(0);
  EXPECT_EQ(t.counters().drop_header, 1u);
}

}  // namespace meltemi::tcp::conformance
