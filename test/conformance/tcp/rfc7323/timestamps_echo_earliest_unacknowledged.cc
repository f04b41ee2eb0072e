// RFC 7323 4.3 (A), delayed ACKs: the echo is of the earliest segment not yet acknowledged.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampsEchoEarliestUnacknowledged) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  for (uint32_t i = 0; i < 8; ++i) t.Peer(Data(1 + i * 1448, 1448));
  t.Forget();
  t.Peer(Data(11'585, 1448).Ts(1001, 0));
  t.Peer(Data(13'033, 1448).Ts(1009, 0));
  t.Expect(Ack(14'481).Ts(0, 1001));
}

}  // namespace meltemi::tcp::conformance
