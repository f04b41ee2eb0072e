// RFC 2883 4.1.1: a FIN is sent again as text is, and takes a number.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, DuplicateFinIsToldOf) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Fin(1).Text(100)).ExpectEvent(Kind::kEof).Expect(Ack(102));
  t.Peer(Fin(1).Text(100)).Expect(Ack(102).Sack({{1, 102}}));
  t.ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
