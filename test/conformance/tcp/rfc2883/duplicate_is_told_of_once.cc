// RFC 2883 4: a duplicate is reported in one packet; one that comes again is reported again.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, DuplicateIsToldOfOnce) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(501, 500)).Expect(Ack(1001));
  t.Peer(Data(501, 500)).Expect(Ack(1001).Sack({{501, 1001}}));
  t.Peer(Data(1001, 500)).Expect(Ack(1501));
  t.Peer(Data(501, 500)).Expect(Ack(1501).Sack({{501, 1001}}));
}

}  // namespace meltemi::tcp::conformance
