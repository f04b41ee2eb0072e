// RFC 9293 3.8.6.2.2: the receiver tells of its window when it has opened by enough.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, WindowOpensWhenTextIsUsed) {
  Exchange t({.reader = Reader::kIdle});
  t.Accept();
  const uint32_t edge = t.FillWindow();
  t.Consumed(edge - 1);
  t.Expect(Ack(edge).Window(65535));
}

}  // namespace meltemi::tcp::conformance
