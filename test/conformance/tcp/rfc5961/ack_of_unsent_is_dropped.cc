// RFC 5961 5.2: SEG.ACK above SND.NXT; text with it is not taken.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, AckOfUnsentIsDropped) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.Peer(Data(1, 100).Acking(102));
  t.Expect(Ack(1).At(101));
  t.ExpectReceived(0);
  t.Peer(Data(1, 100).Acking(101));
  t.Expect(Ack(101)).ExpectReceived(100);
}

}  // namespace meltemi::tcp::conformance
