// RFC 9293 3.10.7.4, first: the segment ... trimmed to the idealized: bytes already had are cut.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DataOverlappingIsTrimmedAtTheFront) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100));
  t.Expect(Ack(101));
  t.Peer(Data(51, 100));
  t.Expect(Ack(151)).ExpectReceived(150);
}

}  // namespace meltemi::tcp::conformance
