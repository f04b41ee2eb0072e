// RFC 2883 4: in the ACK of the packet that brought it. Our text has no room for it: the ACK
// follows.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, AckFollowsTextToTellOfADuplicate) {
  Exchange t;
  t.Accept(Syn().Mss(536).SackOk());
  t.Peer(Data(1, 100)).Expect(Ack(101));
  t.Peer(Ack(1).Window(536));
  t.Send(1072);
  t.Expect(Data(1, 536));
  t.Peer(Data(51, 100).Acking(537).Window(536));
  t.Expect(Data(537, 536).Acking(151));
  t.Expect(Ack(151).Sack({{51, 101}}));
}

}  // namespace meltemi::tcp::conformance
