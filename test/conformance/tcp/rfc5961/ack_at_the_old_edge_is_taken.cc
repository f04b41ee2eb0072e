// RFC 5961 5.2: SND.UNA - MAX.SND.WND itself is in the range.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, AckAtTheOldEdgeIsTaken) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100).Acking(1 - 65'535u));
  t.Expect(Ack(101)).ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
