// RFC 2883 4.1.1: what has come whole before is in the first block, below the acknowledgement.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, FullDuplicateIsToldOf) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(501, 500)).Expect(Ack(1001));
  t.Peer(Data(501, 500)).Expect(Ack(1001).Sack({{501, 1001}}));
  t.ExpectReceived(1000);
}

}  // namespace meltemi::tcp::conformance
