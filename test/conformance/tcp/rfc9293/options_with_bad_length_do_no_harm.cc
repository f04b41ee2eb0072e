// RFC 9293 3.1 (MUST-7): "be prepared to handle an illegal option length (e.g., zero)".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, OptionsWithBadLengthDoNoHarm) {
  Exchange t;
  t.Peer(Syn().RawOptions({2, 4, 0x02, 0xbc, 8, 0, 1, 1}));
  t.Expect(SynAck().NoTs());
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(1000);
  t.Expect(Data(1, 700)).Expect(Data(701, 300));
}

}  // namespace meltemi::tcp::conformance
