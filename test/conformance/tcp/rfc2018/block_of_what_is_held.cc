// RFC 2018 4: the SACK option ... data blocks ... contiguous sequence space of data that has been
// received and queued.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2018, BlockOfWhatIsHeld) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(101, 100));
  t.Expect(Ack(1).Sack({{101, 201}}));
}

}  // namespace meltemi::tcp::conformance
