// RFC 2883 4.1.3, 4 (4): of what is held beyond a hole, the second block is all around it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, DuplicateBeyondAHoleIsToldOfWithWhatIsAroundIt) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(501, 500)).Expect(Ack(1001));
  t.Peer(Data(1501, 500)).Expect(Ack(1001).Sack({{1501, 2001}}));
  t.Peer(Data(2001, 500)).Expect(Ack(1001).Sack({{1501, 2501}}));
  t.Peer(Data(3001, 500)).Expect(Ack(1001).Sack({{3001, 3501}, {1501, 2501}}));
  t.Peer(Data(2001, 500));
  t.Expect(Ack(1001).Sack({{2001, 2501}, {1501, 2501}, {3001, 3501}}));
}

}  // namespace meltemi::tcp::conformance
