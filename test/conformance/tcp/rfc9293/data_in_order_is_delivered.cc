// RFC 9293 3.10.7.4, seventh: text at RCV.NXT is delivered and acknowledged.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DataInOrderIsDelivered) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 1460));
  t.Expect(Ack(1461)).ExpectReceived(1460);
  t.Peer(Data(1461, 40));
  t.Expect(Ack(1501)).ExpectReceived(1500);
}

}  // namespace meltemi::tcp::conformance
