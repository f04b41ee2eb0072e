// RFC 2018 4: The option SHOULD be filled out by repeating the most recently reported blocks, so
// that an ACK lost takes nothing with it.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, EarlierBlocksFollowTheFirst) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk());
  t.Peer(Data(1001, 1000)).Expect(Ack(1).Sack({{1001, 2001}}));
  t.Peer(Data(5001, 1000)).Expect(Ack(1).Sack({{5001, 6001}, {1001, 2001}}));
  t.Peer(Data(3001, 1000)).Expect(Ack(1).Sack({{3001, 4001}, {5001, 6001}, {1001, 2001}}));
  t.Peer(Data(6001, 1000)).Expect(Ack(1).Sack({{5001, 7001}, {3001, 4001}, {1001, 2001}}));
}

}  // namespace meltemi::tcp::conformance
