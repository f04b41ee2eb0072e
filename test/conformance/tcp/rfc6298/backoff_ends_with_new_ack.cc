// RFC 6298 5: a new ACK collapses the backed-off timer.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, BackoffEndsWithNewAck) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.At(200_ms).Expect(Data(1, 100));
  t.At(600_ms).Expect(Data(1, 100));
  t.Peer(Ack(101));
  t.Send(100);
  t.Expect(Data(101, 100));
  t.At(800_ms).Expect(Data(101, 100));
}

}  // namespace meltemi::tcp::conformance
