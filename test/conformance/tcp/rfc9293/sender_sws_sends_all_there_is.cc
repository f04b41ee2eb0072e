// RFC 9293 3.8.6.2.1, (2): Nagle's algorithm is off (it may be, MAY-12): the last piece is sent at
// once.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SenderSwsSendsAllThereIs) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.Send(10);
  t.Expect(Data(1001, 10));
  t.Send(1);
  t.Expect(Data(1011, 1));
}

}  // namespace meltemi::tcp::conformance
