// RFC 6191 2 (4): without timestamps, a SYN with a sequence number above the last one seen opens
// the connection anew from TIME-WAIT.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6191, NewerSequenceNumberOpensAgain) {
  Exchange t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.At(1_s).Peer(Syn().At(1000));
  const Packet answer = t.Take();
  EXPECT_EQ(answer.flags, kSyn | kAck);
  EXPECT_EQ(answer.ack, 1001u);
}

}  // namespace meltemi::tcp::conformance
