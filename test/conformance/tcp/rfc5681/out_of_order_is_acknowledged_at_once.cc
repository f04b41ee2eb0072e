// RFC 5681 4.2: "a TCP receiver SHOULD send an immediate duplicate ACK when an out-of-order segment
// arrives".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5681, OutOfOrderIsAcknowledgedAtOnce) {
  Exchange t;
  t.Accept();
  for (uint32_t i = 0; i < 8; ++i) t.Peer(Data(1 + i * 1460, 1460));
  t.Forget();
  t.Peer(Data(13'141, 100));
  t.Expect(Ack(11'681));
  t.Peer(Data(13'241, 100));
  t.Expect(Ack(11'681));
}

}  // namespace meltemi::tcp::conformance
