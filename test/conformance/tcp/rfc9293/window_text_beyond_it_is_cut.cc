// RFC 9293 3.10.7.4, first: "one could tailor actual segments to fit this assumption by trimming
// off any portions that lie outside the window".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, WindowTextBeyondItIsCut) {
  Exchange t({.reader = Reader::kIdle});
  t.Accept(Syn().Mss(1460).SackOk());
  const uint32_t edge = t.FillWindow();
  t.Consumed(edge - 1);
  t.Expect(Ack(edge).Window(65535));
  t.Peer(Data(edge + 64'000, 2000));
  t.Expect(Ack(edge).Sack({{edge + 64'000, edge + 65'535}}));
}

}  // namespace meltemi::tcp::conformance
