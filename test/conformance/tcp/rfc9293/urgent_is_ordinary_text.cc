// RFC 9293 3.10.7.4, sixth; 3.8.5 and RFC 6093: the urgent pointer moves nothing out of the stream.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, UrgentIsOrdinaryText) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100).Urgent(10));
  t.Expect(Ack(101)).ExpectReceived(100);
  t.Peer(Data(101, 100).Urgent(0xffff));
  t.Expect(Ack(201)).ExpectReceived(200);
}

}  // namespace meltemi::tcp::conformance
