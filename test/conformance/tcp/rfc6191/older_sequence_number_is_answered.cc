// RFC 6191 2 (4): otherwise the SYN is processed as RFC 9293 says: an ACK, and TIME-WAIT stays.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6191, OlderSequenceNumberIsAnswered) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 1000));
  t.Expect(Ack(1001));
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1001));
  t.Expect(Ack(1002));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.At(1_s).Peer(Syn().At(500));
  t.Expect(Ack(1002).At(2));
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
}

}  // namespace meltemi::tcp::conformance
