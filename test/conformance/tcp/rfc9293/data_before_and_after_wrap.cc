// RFC 9293 3.4: all arithmetic on sequence numbers is modulo 2^32; the peer's wrap after 1 KB.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DataBeforeAndAfterWrap) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 1000));
  t.Expect(Ack(1001));
  t.Peer(Data(1101, 100));
  t.Expect(Ack(1001));
  t.Peer(Data(1001, 100));
  t.Expect(Ack(1201)).ExpectReceived(1200);
}

}  // namespace meltemi::tcp::conformance
