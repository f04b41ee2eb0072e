// RFC 9293 3.7.1 (MUST-16): a peer's MSS above what the path takes is not used.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, MssOfThePathBoundsSegments) {
  Exchange t({.path = {.mtu = 1000}});
  t.Accept(Syn().Mss(9000));
  t.Send(1920);
  t.Expect(Data(1, 960)).Expect(Data(961, 960));
}

}  // namespace meltemi::tcp::conformance
