// RFC 2018 3: Left Edge of Block ... Right Edge: neighbours are one contiguous block.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, BlocksThatTouchBecomeOne) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(101, 100));
  t.Expect(Ack(1).Sack({{101, 201}}));
  t.Peer(Data(301, 100));
  t.Expect(Ack(1).Sack({{301, 401}, {101, 201}}));
  t.Peer(Data(201, 100));
  t.Expect(Ack(1).Sack({{101, 401}}));
}

}  // namespace meltemi::tcp::conformance
