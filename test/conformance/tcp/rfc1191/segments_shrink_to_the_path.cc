// RFC 1191 6.4 and RFC 9293 3.7.2: fragmentation needed lowers the size of segments and what was
// too big is sent again smaller.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc1191, SegmentsShrinkToThePath) {
  Exchange t;
  t.Accept();
  t.Send(1460);
  t.Expect(Data(1, 1460));
  t.At(1_ms).Icmp(1, false, 1000);
  t.Expect(Data(1, 960)).Expect(Data(961, 500));
  t.Peer(Ack(1461));
  t.Send(1460);
  t.Expect(Data(1461, 960)).Expect(Data(2421, 500));
}

}  // namespace meltemi::tcp::conformance
