// RFC 5461 4.1: treat all ICMP hard errors as soft errors on a synchronized connection.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5461, HardErrorWhenEstablishedIsSoft) {
  Exchange t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.Icmp(1, true);
  t.ExpectNoEvent().ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
