// RFC 6191 2: an older timestamp and an older sequence number do not end TIME-WAIT.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6191, OlderTimestampAndNumberAreAnswered) {
  Exchange t;
  t.Accept(Syn().Mss(1460).Ts(1000, 0));
  t.Peer(Data(1, 1000));
  t.Expect(Ack(1001));
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1001));
  t.Expect(Ack(1002));
  t.ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.At(1_s).Peer(Syn().At(500).Ts(900, 0));
  t.Expect(Ack(1002).At(2));
}

}  // namespace meltemi::tcp::conformance
