// RFC 3168 6.1.1: a SYN with only one of ECE and CWR does not ask.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc3168, HalfAnOfferIsNone) {
  for (const uint8_t flag : {kEce, kCwr}) {
    Exchange t;
    t.Peer(Syn().Mss(1000).With(flag));
    t.Expect(SynAck());
  }
}

}  // namespace meltemi::tcp::conformance
