// RFC 9937, per-ACK steps (6937 3): while the pipe is above ssthresh, ssthresh / RecoverFS of what
// is delivered is sent: seven tenths; the retransmission counts.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9937, RecoverySendsInProportion) {
  Exchange t;
  t.Accept(Syn().Mss(1000).SackOk(), 20_ms);
  t.Send(60'000);
  t.Forget().At(40_ms).Peer(Ack(10'001)).Forget();  // 20 are in flight: 10,001 to 30,001
  t.At(60_ms).Peer(Ack(10'001).Sack({{11'001, 14'001}}));
  t.Expect(Data(10'001, 1000));
  t.Expect(Data(30'001, 1000));  // 3 delivered: 2.1
  t.ExpectNothing();
  t.Peer(Ack(10'001).Sack({{11'001, 15'001}}));
  t.ExpectNothing();  // 4: 2.8
  t.Peer(Ack(10'001).Sack({{11'001, 16'001}}));
  t.Expect(Data(31'001, 1000));  // 5: 3.5
  t.ExpectNothing();
  t.Peer(Ack(10'001).Sack({{11'001, 17'001}}));
  t.Expect(Data(32'001, 1000));  // 6: 4.2
  t.ExpectNothing();
}

}  // namespace meltemi::tcp::conformance
