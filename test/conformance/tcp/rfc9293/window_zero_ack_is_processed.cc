// RFC 9293 3.10.7.4, first: special allowance should be made to accept valid ACKs when RCV.WND is
// zero.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, WindowZeroAckIsProcessed) {
  Exchange t({.reader = Reader::kIdle});
  t.Accept();
  t.FillWindow();
  t.Send(100);
  t.Expect(Data(1, 100).Window(0));
  t.Peer(Ack(101));
  t.ExpectNothing(10_s);
}

}  // namespace meltemi::tcp::conformance
