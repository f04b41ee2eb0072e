// RFC 9293 3.9.1.2 (MUST-61): PSH bit in the last buffered segment.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, PushMarksTheEndOfWhatIsQueued) {
  Exchange t;
  t.Accept(Syn().Mss(1000));
  t.Send(2500);
  EXPECT_EQ(t.Take().flags, kAck);
  EXPECT_EQ(t.Take().flags, kAck);
  EXPECT_EQ(t.Take().flags, kAck | kPsh);
}

}  // namespace meltemi::tcp::conformance
