// RFC 2883 4.1.1, RFC 7323 5.3: what its copy, sent later, has overtaken is dropped for its
// timestamp; its sender learns that it sent twice for nothing.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc2883, DuplicateWithAnOldTimestampIsToldOf) {
  Exchange t;
  t.Accept(Syn().Mss(1460).SackOk().Ts(1000, 0));
  t.At(1_s).Peer(Data(1, 500)).Expect(Ack(501));
  t.Peer(Data(1, 500).Ts(1500, 0)).Expect(Ack(501).Sack({{1, 501}}));
  // However often: its sender counts what it has sent (RFC 3708).
  t.Peer(Data(1, 500).Ts(1400, 0)).Expect(Ack(501).Sack({{1, 501}}));
}

}  // namespace meltemi::tcp::conformance
