// RFC 9293 3.8.6.3: an ACK may be delayed; not of pushed text where none of ours is to come.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DelayedAckNotOfPushedText) {
  Exchange t;
  t.Accept();
  for (uint32_t i = 0; i < 8; ++i) t.Peer(Data(1 + i * 1460, 1460));
  t.Forget();
  t.Peer(Data(11'681, 100).With(kPsh));  // an answer may follow
  t.ExpectNothing(39_ms);
  t.At(40_ms).Expect(Ack(11'781));
  t.Peer(Data(11'781, 100).With(kPsh));  // none did
  t.Expect(Ack(11'881));
  t.At(60_ms).Send(50);  // text follows text: the next ACK waits for such again
  t.Expect(Data(1, 50));
  t.Peer(Data(11'881, 100).With(kPsh).Acking(51));
  t.ExpectNothing(99_ms);
  t.At(100_ms).Expect(Ack(11'981));
}

}  // namespace meltemi::tcp::conformance
