// RFC 5961 5.2: all incoming segments whose ACK value doesn't satisfy ((SND.UNA - MAX.SND.WND) <=
// SEG.ACK <= SND.NXT) MUST be discarded and an ACK sent back.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, AckTooOldIsDropped) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100).Acking(1 - 65'536u));
  t.Expect(Ack(1));
  t.ExpectReceived(0);
}

}  // namespace meltemi::tcp::conformance
