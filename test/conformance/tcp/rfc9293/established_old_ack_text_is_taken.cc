// RFC 9293 3.10.7.4, fifth: "If the ACK is a duplicate (SEG.ACK =< SND.UNA), it can be ignored":
// its text is taken all the same.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, EstablishedOldAckTextIsTaken) {
  Exchange t;
  t.Accept();
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1001));
  t.Peer(Data(1, 10).Acking(501));
  t.Expect(Ack(11)).ExpectReceived(10);
}

}  // namespace meltemi::tcp::conformance
