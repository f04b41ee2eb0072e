// RFC 9293 3.10.7.4, seventh: text that overlaps what is held is delivered once.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, DataOverlappingHeldTextIsDeliveredOnce) {
  Exchange t;
  t.Accept();
  t.Peer(Data(101, 100));
  t.Expect(Ack(1));
  t.Peer(Data(1, 150));
  t.Expect(Ack(201)).ExpectReceived(200);
  t.Peer(Data(51, 250));
  t.Expect(Ack(301)).ExpectReceived(300);
}

}  // namespace meltemi::tcp::conformance
