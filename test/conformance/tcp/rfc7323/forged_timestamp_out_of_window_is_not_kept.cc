// RFC 7323 5.3 R3 comes after the sequence check: a segment outside the window must not move
// TS.Recent.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ForgedTimestampOutOfWindowIsNotKept) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.Peer(Data(2'000'000, 10).Ts(900'000, 0));
  t.Expect(Ack(1).Ts(0, 1000));
  t.Peer(Data(1, 100).Ts(1001, 0));
  t.Expect(Ack(101).Ts(0, 1001)).ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
