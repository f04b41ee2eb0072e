// RFC 9293 3.7.1 (MUST-15): "TCP implementations MUST assume a default send MSS of 536".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, MssAbsentMeans536) {
  Exchange t;
  t.Accept(Syn());
  t.Send(1000);
  t.Expect(Data(1, 536)).Expect(Data(537, 464));
}

}  // namespace meltemi::tcp::conformance
