// RFC 2883 4 (5), RFC 2018 3: it counts among the three that there is room for.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, WithTimestampsTwoBlocksFollowIt) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk().Ts(1000, 0));
  t.Peer(Data(1, 100)).Expect(Ack(101));
  t.Peer(Data(201, 100)).Expect(Ack(101).Sack({{201, 301}}));
  t.Peer(Data(401, 100)).Expect(Ack(101).Sack({{401, 501}, {201, 301}}));
  t.Peer(Data(601, 100)).Expect(Ack(101).Sack({{601, 701}, {401, 501}, {201, 301}}));
  t.Peer(Data(1, 100)).Expect(Ack(101).Sack({{1, 101}, {601, 701}, {401, 501}}));
}

}  // namespace meltemi::tcp::conformance
