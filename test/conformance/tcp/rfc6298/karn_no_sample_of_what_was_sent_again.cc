// RFC 6298 3: "RTT samples MUST NOT be made using segments that were retransmitted": the late ACK
// does not stretch the RTO.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, KarnNoSampleOfWhatWasSentAgain) {
  Exchange t;
  t.Accept(Syn().Mss(1460), 1_ms);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.At(201_ms).Expect(Data(1, 100));
  t.At(500_ms).Peer(Ack(101));
  t.Send(100);
  t.Expect(Data(101, 100));
  t.At(700_ms).Expect(Data(101, 100));
}

}  // namespace meltemi::tcp::conformance
