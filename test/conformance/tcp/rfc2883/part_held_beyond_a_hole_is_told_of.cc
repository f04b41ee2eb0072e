// RFC 2883 4.2.2: of a segment that lies partly on what is held, that part; then all around it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, PartHeldBeyondAHoleIsToldOf) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(501, 500)).Expect(Ack(1001));
  t.Peer(Data(1501, 500)).Expect(Ack(1001).Sack({{1501, 2001}}));
  t.Peer(Data(1801, 500)).Expect(Ack(1001).Sack({{1801, 2001}, {1501, 2301}}));
  // One that fills the hole too: what was held is below the acknowledgement now.
  t.Peer(Data(1001, 1000)).Expect(Ack(2301).Sack({{1501, 2001}}));
  t.ExpectReceived(2300);
}

}  // namespace meltemi::tcp::conformance
