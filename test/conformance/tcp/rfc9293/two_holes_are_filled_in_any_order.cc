// RFC 9293 3.10.7.4, seventh: each hole filled moves RCV.NXT to the next hole.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, TwoHolesAreFilledInAnyOrder) {
  Exchange t;
  t.Accept();
  t.Peer(Data(201, 100));
  t.Expect(Ack(1));
  t.Peer(Data(401, 100));
  t.Expect(Ack(1));
  t.Peer(Data(1, 200));
  t.Expect(Ack(301)).ExpectReceived(300);
  t.Peer(Data(301, 100));
  t.Expect(Ack(501)).ExpectReceived(500);
}

}  // namespace meltemi::tcp::conformance
