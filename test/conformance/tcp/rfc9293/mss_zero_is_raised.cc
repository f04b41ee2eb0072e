// RFC 9293 3.7.1: a hostile MSS of 0 does not make segments of nothing: 64 bytes at least.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, MssZeroIsRaised) {
  Exchange t;
  t.Accept(Syn().Mss(0));
  t.Send(128);
  t.Expect(Data(1, 64)).Expect(Data(65, 64));
}

}  // namespace meltemi::tcp::conformance
