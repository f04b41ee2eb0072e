// RFC 2018 4: The first SACK block ... MUST specify the contiguous block of data containing the
// segment which triggered this ACK.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, FirstBlockIsTheLatest) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(301, 100));
  t.Expect(Ack(1).Sack({{301, 401}}));
  t.Peer(Data(101, 100));
  t.Expect(Ack(1).Sack({{101, 201}, {301, 401}}));
  t.Peer(Data(501, 100));
  t.Expect(Ack(1).Sack({{501, 601}, {101, 201}, {301, 401}}));
}

}  // namespace meltemi::tcp::conformance
