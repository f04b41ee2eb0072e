// Whatever a pod port hands over: a virtio_net_hdr and a frame, through the port's receive segments
// (nic/rx_frames) and on into the network layer. Nothing crashes, nothing leaks, every packet ends
// in exactly one way, and a header we would send lies inside its frame and reads back the same.
//
// Input: records of port (1 byte), flags (1 byte), frame length (2 bytes), virtio_net_hdr (10
// bytes, little-endian), frame. Flags: bit 0 the frame's destination MAC is made ours, bit 1 IPv4
// header checksum made right, bit 2 half a second passes first, bit 3 a driver's frame: the header
// gives its LRO flag and segment size only (nic::FromDriver), bit 4 TCP is forwarded (else
// dropped).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "dataplane/ip/testing/node.h"
#include "dataplane/nic/rx_frames.h"
#include "dataplane/nic/vnet_header.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/check.h"

namespace meltemi::ip {
namespace {

constexpr uint8_t kOurMac = 1, kRightChecksum = 2, kTimePasses = 4, kFromDriver = 8, kForward = 16;
constexpr size_t kRecordBytes = 4 + sizeof(nic::VnetHeader);

void Repair(std::string* frame, PortId port, uint8_t flags) {
  auto* p = reinterpret_cast<uint8_t*>(frame->data());
  if ((flags & kOurMac) != 0 && frame->size() >= 6) wire::StoreMac(p, PlaneMac(port));
  if ((flags & kRightChecksum) == 0 || frame->size() < 34) return;
  const size_t header_bytes = size_t{p[14] & 15u} * 4;
  if (header_bytes < 20 || frame->size() < 14 + header_bytes) return;
  wire::Store16(p + 24, 0);
  wire::Store16(p + 24, static_cast<uint16_t>(~wire::SumBytes(p + 14, header_bytes)));
}

// What the kernel does: the header, then the frame, into the segments in order.
packet::Packet* Read(const nic::VnetHeader& header, const std::string& frame, nic::RxFrames* frames,
                     packet::PacketPool* pool) {
  if (frames->Prepare(*pool, 1) == 0) return nullptr;  // the pool is exhausted
  std::string bytes(sizeof(header) + frame.size(), '\0');
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::copy(frame.begin(), frame.end(), bytes.begin() + sizeof(header));
  size_t done = 0;
  for (const iovec& part : frames->iov(0)) {
    const size_t n = std::min(part.iov_len, bytes.size() - done);
    std::memcpy(part.iov_base, bytes.data() + done, n);
    done += n;
  }
  CHECK(done == bytes.size());
  nic::PortCounters counters;
  packet::Packet* p = frames->Take(0, static_cast<uint32_t>(bytes.size()), *pool, &counters);
  CHECK(counters.rx_packets + counters.rx_bad_frames == 1);
  CHECK((p != nullptr) == (counters.rx_packets == 1));
  if (p != nullptr) CHECK(wire::ToString(p).size() == frame.size());
  return p;
}

bool SameHeader(const nic::VnetHeader& a, const nic::VnetHeader& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// A header for the kernel: its places lie in the first segment, and what it says is what we
// understand when we read it.
void CheckSendable(packet::Packet* p) {
  const nic::VnetHeader header = nic::ToVnet(*p);
  if ((header.flags & nic::kVnetNeedsChecksum) == 0) {
    CHECK(header.gso_type == nic::kVnetGsoNone);
    return;
  }
  CHECK(uint32_t{header.csum_start} + header.csum_offset + 2 <= p->data_len);
  CHECK(header.hdr_len <= p->data_len);
  const uint64_t flags = p->ol_flags, offsets = p->tx_offload;
  const uint16_t segment_bytes = p->tso_segsz;
  CHECK(nic::FromVnet(header, p) == nic::VnetVerdict::kOk);
  CHECK(SameHeader(nic::ToVnet(*p), header));
  p->ol_flags = flags;
  p->tx_offload = offsets;
  p->tso_segsz = segment_bytes;
}

void TakeAll(TestNode* node) {
  for (const PortId port : {kPodA, kPodB, kUplink}) {
    for (packet::Packet* p : node->TakePackets(port)) {
      CheckSendable(p);
      node->pool.Free(p);
    }
  }
}

// A driver's frame: what was learned from the header goes, LRO and the segment size stay.
bool AsFromDriver(const nic::VnetHeader& header, packet::Packet* p) {
  p->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
  p->tx_offload = 0;
  if (header.gso_type != nic::kVnetGsoNone) {
    p->ol_flags |= RTE_MBUF_F_RX_LRO;
    p->tso_segsz = header.gso_size;
  }
  return nic::FromDriver(p) == nic::VnetVerdict::kOk;
}

void Handle(TestNode* node, PortId port, uint8_t flags, packet::Packet* p) {
  CheckSendable(p);
  node->SendPacket(port, p);
  CHECK(node->Balanced());
  if ((flags & kForward) != 0) {
    for (const Segment& s : node->segments) node->ip.Forward(s, node->now);
    node->segments.clear();
  }
  node->FreeSegments();
  CHECK(node->Balanced());
  TakeAll(node);
}

void Run(const uint8_t* data, size_t n) {
  // Few segments: an input is over sooner, and running out of them is met too.
  TestNode node({.offload = n % 2 == 0, .segment_count_max = 16});
  nic::RxFrames frames(1);
  node.Warm();
  while (n >= kRecordBytes) {
    const PortId port = data[0] % 2 == 0 ? kPodA : kUplink;
    const uint8_t flags = data[1];
    const size_t bytes = std::min<size_t>(wire::Load16(data + 2), n - kRecordBytes);
    nic::VnetHeader header;
    std::memcpy(&header, data + 4, sizeof(header));
    std::string frame(reinterpret_cast<const char*>(data) + kRecordBytes, bytes);
    data += kRecordBytes + bytes;
    n -= kRecordBytes + bytes;
    Repair(&frame, port, flags);
    if ((flags & kTimePasses) != 0) node.Advance(Duration::Millis(500));
    const bool driver = (flags & kFromDriver) != 0;
    packet::Packet* p = Read(driver ? nic::VnetHeader{} : header, frame, &frames, &node.pool);
    if (p != nullptr && driver && !AsFromDriver(header, p)) {
      node.pool.Free(p);
      p = nullptr;
    }
    if (p != nullptr) Handle(&node, port, flags, p);
  }
  node.Advance(Duration::Seconds(10));
  CHECK(node.Balanced());
  TakeAll(&node);
  frames.Shrink(node.pool, 0);
  node.CheckEmpty();
}

}  // namespace
}  // namespace meltemi::ip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  meltemi::ip::Run(data, n);
  return 0;
}
