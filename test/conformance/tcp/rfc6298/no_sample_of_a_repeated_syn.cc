// RFC 6298 3: a SYN that was sent again gives no sample: the RTO for data is at least the initial
// one.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, NoSampleOfARepeatedSyn) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.At(1_s).Expect(Syn());
  t.At(1001_ms).Peer(SynAck(1).Mss(1460));
  t.Expect(Ack(1));
  t.ExpectEvent(Kind::kConnected);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.ExpectNothing(2000_ms);
  t.Peer(Ack(101));
  t.ExpectNothing(100_s);
}

}  // namespace meltemi::tcp::conformance
