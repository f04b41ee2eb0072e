// RFC 9293 3.8.6.2.1, (4): if the override timeout occurs, what fits is sent.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SenderSwsOverrideTimeout) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1001).Window(400));
  t.Send(2000);
  t.ExpectNothing(190_ms);
  t.At(200_ms).Expect(Data(1001, 400));
}

}  // namespace meltemi::tcp::conformance
