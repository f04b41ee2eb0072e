// RFC 5681 4.2: "a TCP receiver SHOULD send an immediate ACK when the incoming segment fills in all
// or part of a gap".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, FilledHoleIsAcknowledgedAtOnce) {
  Exchange t;
  t.Accept();
  for (uint32_t i = 0; i < 8; ++i) t.Peer(Data(1 + i * 1460, 1460));
  t.Forget();
  t.Peer(Data(11'881, 100));
  t.Expect(Ack(11'681));
  t.Peer(Data(11'681, 100));
  t.Expect(Ack(11'781));
  t.Peer(Data(11'781, 100));
  t.Expect(Ack(11'981));
}

}  // namespace meltemi::tcp::conformance
