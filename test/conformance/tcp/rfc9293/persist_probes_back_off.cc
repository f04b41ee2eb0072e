// RFC 9293 3.8.6.1 (SHLD-30): "SHOULD increase exponentially the interval between successive
// probes".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, PersistProbesBackOff) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1001).Window(0));
  t.Send(500);
  t.At(200_ms).Expect(Ack(1).At(1000));
  t.At(600_ms).Expect(Ack(1).At(1000));
  t.At(1400_ms).Expect(Ack(1).At(1000));
  t.At(3_s).Expect(Ack(1).At(1000));
}

}  // namespace meltemi::tcp::conformance
