// Any fragments for the plane, well-formed one by one: nothing crashes, the bounds hold, every
// packet ends in exactly one way, and what is answered has right checksums.
//
// Input: records of 4 bytes: flags, place (in units of 8 bytes), length (in units of 4 bytes), id.
// Flags: bit 0 IPv6, bit 1 more fragments, bit 2 from the uplink, bit 3 UDP instead of ICMP, bit 4
// in pieces of 20 bytes, bit 5 ten seconds pass first, bits 6 and 7 the ECN field.
#include <cstddef>
#include <cstdint>
#include <string>

#include "dataplane/ip/testing/fragments.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

const Ends kFar4{Addr("10.2.0.5"), Addr("172.16.0.1"), 20};
const Ends kFar6{Addr("fd00:2::5"), Addr("fd00:f::1"), 40};

const Ends& EndsOf(uint8_t flags) {
  if ((flags & 4) != 0) return (flags & 1) != 0 ? kFar6 : kFar4;
  return (flags & 1) != 0 ? kEnds6 : kEnds4;
}

void Send(TestNode* node, const uint8_t* record) {
  const uint8_t flags = record[0];
  const Ends& ends = EndsOf(flags);
  // Of one echo request: whoever puts its fragments together rightly is answered.
  const std::string echo = EchoBytes(ends, 248);
  const std::string bytes = echo + std::string(3072, 'x');
  const std::string part =
      Part(ends, bytes, size_t{record[1]} * 8, size_t{record[2]} * 4, (flags & 2) != 0,
           (flags & 8) != 0 ? uint8_t{wire::kProtoUdp} : uint8_t{0}, record[3], flags >> 6);
  const PortId port = (flags & 4) != 0 ? kUplink : kPodA;
  const std::string frame =
      wire::Ethernet({.destination = PlaneMac(port), .source = PeerMac(port)}, part);
  node->SendPacket(port, wire::ToPacket(&node->pool, frame, (flags & 16) != 0 ? 20 : 8000));
}

bool IsFragment(const std::string& packet) {
  const auto* p = reinterpret_cast<const uint8_t*>(packet.data());
  return p[0] >> 4 == 4 ? (wire::Load16(p + 6) & 0x3fff) != 0 : p[6] == wire::kProtoFragment;
}

// Echo replies, errors about ports and about time.
void CheckAnswers(TestNode* node) {
  for (const PortId port : {kPodA, kUplink}) {
    for (const std::string& packet : node->TakeIp(port)) {
      CHECK(IsFragment(packet) || wire::ChecksumsCorrect(packet));
    }
  }
}

void Run(const uint8_t* data, size_t n) {
  TestNode node({.offload = n % 2 == 0});
  node.Warm();
  for (; n >= 4; data += 4, n -= 4) {
    if ((data[0] & 32) != 0) node.Advance(Duration::Seconds(10));
    Send(&node, data);
    CHECK(node.Balanced());
    CHECK(node.ip.reassembly_bytes() <= limits::kReassemblyBytesMax);
    CheckAnswers(&node);
  }
  node.Advance(Duration::Seconds(61));
  CHECK(node.Balanced());
  CHECK(node.ip.held_fragments() == 0 && node.ip.reassembly_bytes() == 0);
  node.CheckEmpty();
}

}  // namespace
}  // namespace meltemi::ip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  meltemi::ip::Run(data, n);
  return 0;
}
