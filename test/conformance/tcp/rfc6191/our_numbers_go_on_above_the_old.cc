// RFC 6191 2 and RFC 9293 3.4.3: the new connection's numbers begin above those of the old.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6191, OurNumbersGoOnAboveTheOld) {
  Exchange t;
  t.Accept();
  const uint32_t old_isn = t.our_isn();
  constexpr uint32_t kBytes = 60'000;
  t.Send(kBytes);
  while (t.sent_count() > 0) t.Forget().Peer(Flags(kAck).At(1));
  t.Finish();
  t.Expect(Fin(1 + kBytes));
  t.Peer(Fin(1));
  t.Forget().ExpectEvent(Kind::kEof).ExpectEvent(Kind::kClosed);
  t.Peer(Syn().At(100'000));
  EXPECT_GT(t.our_isn() - old_isn, kBytes);
  t.Forget();
}

}  // namespace meltemi::tcp::conformance
