// RFC 9293 3.1 (MUST-3): "The receiver MUST check" the checksum.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ChecksumWrongIsDropped) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100).BadChecksum());
  t.ExpectNothing(1_s).ExpectReceived(0);
  t.Peer(Data(1, 100));
  t.Expect(Ack(101));
}

}  // namespace meltemi::tcp::conformance
