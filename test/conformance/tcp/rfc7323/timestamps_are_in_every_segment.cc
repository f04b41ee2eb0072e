// RFC 7323 3.2: once TSopt has been successfully negotiated ... the TSopt MUST be sent in every
// non-<RST> segment for the duration of the connection.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampsAreInEverySegment) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.At(5_ms).Send(100);
  t.Expect(Data(1, 100).Ts(5, 1000));
  t.At(8_ms).Peer(Data(1, 50).Acking(101));
  t.Expect(Ack(51).Ts(8, 1008));
  t.At(9_ms).Finish();
  t.Expect(Fin(101).Ts(9, 1008));
  t.Peer(Fin(51));
  t.Expect(Ack(52).Ts(9, 1009));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
}

}  // namespace meltemi::tcp::conformance
