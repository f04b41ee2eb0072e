// RFC 2018 4: blocks below the cumulative ACK are not said any more.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, BlocksEndWhenTheHoleIsFilled) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(101, 100));
  t.Expect(Ack(1).Sack({{101, 201}}));
  t.Peer(Data(1, 100));
  t.Expect(Ack(201).Sack({}));
}

}  // namespace meltemi::tcp::conformance
