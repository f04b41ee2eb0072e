// RFC 2883 4.1.2: the first block tells of the duplicate, the others of what is held.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, DuplicateComesBeforeWhatIsBeyondAHole) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(501, 500)).Expect(Ack(1001));
  t.Peer(Data(1501, 500)).Expect(Ack(1001).Sack({{1501, 2001}}));
  t.Peer(Data(501, 500)).Expect(Ack(1001).Sack({{501, 1001}, {1501, 2001}}));
  t.Peer(Data(2001, 500)).Expect(Ack(1001).Sack({{1501, 2501}}));
}

}  // namespace meltemi::tcp::conformance
