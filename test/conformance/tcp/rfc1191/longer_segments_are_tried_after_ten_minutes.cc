// RFC 1191 6.3: a PMTU estimate ... that has not been decreased for 10 minutes may be raised.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc1191, LongerSegmentsAreTriedAfterTenMinutes) {
  Exchange t;
  t.Accept();
  t.Send(1460);
  t.Expect(Data(1, 1460));
  t.Icmp(1, false, 1000);
  t.Expect(Data(1, 960)).Expect(Data(961, 500));
  t.Peer(Ack(1461));
  t.At(599_s).Send(1460);
  t.Expect(Data(1461, 960)).Expect(Data(2421, 500));
  t.Peer(Ack(2921));
  t.At(602_s).Send(1460);
  t.Forget().Peer(Ack(4381));
  t.Send(1460);
  t.Expect(Data(4381, 1460));
}

}  // namespace meltemi::tcp::conformance
