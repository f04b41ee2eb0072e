// RFC 6928 2: an active opener has it too, and the ACK of the handshake does not enlarge it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6928, InitialWindowIsPerDirectionOfOpen) {
  Exchange t;
  t.Open();
  t.Send(50'000);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 1460, 1460));
  t.ExpectNothing(100_ms);
}

}  // namespace meltemi::tcp::conformance
