// RFC 9293 3.1 (MUST-6): "A TCP implementation MUST ignore without error any TCP Option it does not
// implement, assuming that the option has a length field."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, OptionsUnknownAreSkipped) {
  Exchange t;
  t.Peer(Syn().RawOptions({253, 4, 0x12, 0x34, 2, 4, 0x02, 0xbc}));
  t.Expect(SynAck());
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(1000);
  t.Expect(Data(1, 700)).Expect(Data(701, 300));
}

}  // namespace meltemi::tcp::conformance
