// RFC 9293 3.10.7.1: "If the ACK bit is off, sequence number zero is used,
// <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ClosedAnswersSynWithRstAck) {
  Exchange t({.listening = false});
  t.Peer(Syn());
  t.Expect(Rst(0).Acking(1));
}

}  // namespace meltemi::tcp::conformance
