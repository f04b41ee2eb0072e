// Any bytes as frames of two ports: nothing crashes, and every packet ends in exactly one way.
//
// Input: records of port (1 byte), flags (1 byte), length (2 bytes), frame. Flags: bit 0 trusted
// checksum, bit 1 super-frame (segment size 536), bit 2 in pieces of 20 bytes, bit 3 the frame's
// destination MAC is made ours, bit 4 IPv4 header checksum made right, bit 5 half a second passes
// first, bit 6 TCP is forwarded (else dropped).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "dataplane/ip/testing/node.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/check.h"

namespace meltemi::ip {
namespace {

// The parts of a frame that random bytes never get right.
void Repair(std::string* frame, PortId port, uint8_t flags) {
  auto* p = reinterpret_cast<uint8_t*>(frame->data());
  if ((flags & 8) != 0 && frame->size() >= 6) wire::StoreMac(p, PlaneMac(port));
  if ((flags & 16) == 0 || frame->size() < 34) return;
  const size_t header_bytes = size_t{p[14] & 15u} * 4;
  if (header_bytes < 20 || frame->size() < 14 + header_bytes) return;
  wire::Store16(p + 24, 0);
  wire::Store16(p + 24, static_cast<uint16_t>(~wire::SumBytes(p + 14, header_bytes)));
}

void Run(const uint8_t* data, size_t n) {
  TestNode node({.offload = n % 2 == 0});
  node.Warm();
  while (n >= 4) {
    const PortId port = data[0] % 2 == 0 ? kPodA : kUplink;
    const uint8_t flags = data[1];
    const size_t bytes = std::min<size_t>(wire::Load16(data + 2), n - 4);
    std::string frame(reinterpret_cast<const char*>(data + 4), bytes);
    data += 4 + bytes;
    n -= 4 + bytes;
    Repair(&frame, port, flags);
    if ((flags & 32) != 0) node.Advance(Duration::Millis(500));
    packet::Packet* p = wire::ToPacket(&node.pool, frame, (flags & 4) != 0 ? 20 : 8000);
    if ((flags & 1) != 0) p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    if ((flags & 2) != 0) {
      p->ol_flags |= RTE_MBUF_F_RX_LRO;
      p->tso_segsz = 536;
    }
    node.SendPacket(port, p);
    CHECK(node.Balanced());
    if ((flags & 64) != 0) {
      for (const Segment& s : node.segments) node.ip.Forward(s, node.now);
      node.segments.clear();
    }
    node.FreeSegments();
    CHECK(node.Balanced());
  }
  node.Advance(Duration::Seconds(61));  // longer than anything waits
  CHECK(node.Balanced());
  node.CheckEmpty();
}

}  // namespace
}  // namespace meltemi::ip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  meltemi::ip::Run(data, n);
  return 0;
}
