// RFC 6298 (5.5): "RTO <- RTO * 2 ('back off the timer')".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6298, TimeoutDoubles) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.At(200_ms).Expect(Data(1, 100));
  t.At(600_ms).Expect(Data(1, 100));
  t.At(1400_ms).Expect(Data(1, 100));
  t.At(3_s).Expect(Data(1, 100));
  t.At(6200_ms).Expect(Data(1, 100));
}

}  // namespace meltemi::tcp::conformance
