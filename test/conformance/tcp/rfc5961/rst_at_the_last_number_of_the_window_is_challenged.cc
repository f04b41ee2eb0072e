// RFC 5961 3.2, 3): the window's right edge is outside, the number before it inside.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, RstAtTheLastNumberOfTheWindowIsChallenged) {
  Exchange t({.reader = Reader::kIdle});
  t.Accept();
  const uint32_t edge = t.FillWindow();
  t.Consumed(edge - 1);
  t.Expect(Ack(edge).Window(65535));
  t.Peer(Rst(edge + 65'535));
  t.ExpectNothing().ExpectNoEvent();
  t.Peer(Rst(edge + 65'534));
  t.Expect(Ack(edge));
}

}  // namespace meltemi::tcp::conformance
