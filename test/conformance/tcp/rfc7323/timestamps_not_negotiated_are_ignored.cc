// RFC 7323 3.2: a TSopt on a connection that did not negotiate it is ignored.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampsNotNegotiatedAreIgnored) {
  Exchange t;
  t.Accept();
  t.Peer(Data(1, 100).Ts(1000, 0));
  t.Expect(Ack(101).NoTs()).ExpectReceived(100);
  t.Peer(Data(101, 100).Ts(1, 0));
  t.Expect(Ack(201).NoTs()).ExpectReceived(200);
}

}  // namespace meltemi::tcp::conformance
