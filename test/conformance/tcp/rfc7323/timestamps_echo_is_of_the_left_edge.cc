// RFC 7323 4.3 (2): only a segment with SEG.SEQ <= Last.ACK.sent sets TS.Recent: one beyond a hole
// does not.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampsEchoIsOfTheLeftEdge) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.Peer(Data(101, 100).Ts(1005, 0));
  t.Expect(Ack(1).Ts(0, 1000));
  t.Peer(Data(1, 100).Ts(1003, 0));
  t.Expect(Ack(201).Ts(0, 1003));
}

}  // namespace meltemi::tcp::conformance
