// RFC 3042 2: upon the arrival of the first two consecutive duplicate ACKs new text is sent, cwnd
// unchanged.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3042, TwoDuplicatesSendNewText) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(30'000);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 1000, 1000));
  t.At(10_ms).Peer(Ack(1));
  t.Expect(Data(10'001, 1000));
  t.Peer(Ack(1));
  t.Expect(Data(11'001, 1000));
  t.Peer(Ack(1));
  t.Expect(Data(1, 1000));
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
