// RFC 2883 4.2.3: of a segment that lies on two held parts, the first of them.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, FirstOfTwoDuplicatePartsIsToldOf) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(501, 500)).Expect(Ack(1001));
  t.Peer(Data(1501, 200)).Expect(Ack(1001).Sack({{1501, 1701}}));
  t.Peer(Data(1901, 200)).Expect(Ack(1001).Sack({{1901, 2101}, {1501, 1701}}));
  t.Peer(Data(1501, 700)).Expect(Ack(1001).Sack({{1501, 1701}, {1501, 2201}}));
  // Below the acknowledgement and beyond a hole: the first as well.
  t.Peer(Data(901, 700)).Expect(Ack(2201).Sack({{901, 1001}}));
}

}  // namespace meltemi::tcp::conformance
