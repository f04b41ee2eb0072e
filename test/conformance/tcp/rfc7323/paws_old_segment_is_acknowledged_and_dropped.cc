// RFC 7323 5.3 R1: SEG.TSval < TS.Recent: Treat the arriving segment as not acceptable and drop
// it, send an acknowledgment.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, PawsOldSegmentIsAcknowledgedAndDropped) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.Peer(Data(1, 100).Ts(1010, 0));
  t.Expect(Ack(101).Ts(0, 1010));
  t.Peer(Data(101, 100).Ts(1009, 0));
  t.Expect(Ack(101).Ts(0, 1010));
  t.ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
