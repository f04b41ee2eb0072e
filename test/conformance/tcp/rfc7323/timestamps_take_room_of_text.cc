// RFC 7323 A (RFC 6691): the MSS counts no options: 12 bytes less text per segment.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampsTakeRoomOfText) {
  Exchange t;
  t.Accept(Syn().Mss(1000).Ts(1, 0));
  t.Send(1976);
  t.Expect(Data(1, 988)).Expect(Data(989, 988));
}

}  // namespace meltemi::tcp::conformance
