// RFC 5927 7.2, RFC 9293 3.9.2.2: what quotes nothing in flight is not believed.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc1191, ForgedIcmpIsIgnored) {
  Exchange t;
  t.Accept();
  t.Send(1460);
  t.Expect(Data(1, 1460));
  t.Icmp(1461, false, 1000);
  t.Icmp(0xffff'0000, false, 1000);
  t.ExpectNothing(100_ms);
  t.Peer(Ack(1461));
  t.Send(1460);
  t.Expect(Data(1461, 1460));
}

}  // namespace meltemi::tcp::conformance
