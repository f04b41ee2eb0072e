// RFC 9293 3.2: "End of Option List": what follows is no option.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, OptionsAfterEndAreIgnored) {
  Exchange t;
  t.Peer(Syn().RawOptions({0, 0, 0, 0, 2, 4, 0x02, 0xbc}));
  t.Expect(SynAck());
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(600);
  t.Expect(Data(1, 536)).Expect(Data(537, 64));
}

}  // namespace meltemi::tcp::conformance
