// RFC 2883 4.2.1: of a segment that begins below what is acknowledged, the part that is.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, OldPartOfNewTextIsToldOf) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(501, 500)).Expect(Ack(1001));
  t.Peer(Data(501, 1000)).Expect(Ack(1501).Sack({{501, 1001}}));
  t.ExpectReceived(1500);
}

}  // namespace meltemi::tcp::conformance
