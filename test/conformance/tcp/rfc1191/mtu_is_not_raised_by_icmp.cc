// RFC 1191 6.3: a host MUST NOT increase its estimate of the Path MTU in response to the contents
// of a Datagram Too Big message.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc1191, MtuIsNotRaisedByIcmp) {
  Exchange t;
  t.Accept();
  t.Send(1460);
  t.Expect(Data(1, 1460));
  t.Icmp(1, false, 9000);
  t.ExpectNothing(100_ms);
  t.Peer(Ack(1461));
  t.Send(2920);
  t.Expect(Data(1461, 1460)).Expect(Data(2921, 1460));
}

}  // namespace meltemi::tcp::conformance
