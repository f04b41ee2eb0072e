// Bursts of raw packets into Worker::Turn: two workers, a pod and an uplink whose packets are an
// attacker's, HTTP and opaque TCP listeners. Nothing crashes; what holds between turns holds
// (invariants.h); and when everybody has fallen silent, nothing is left.
//
// Input: records of op (1 byte), argument (1 byte), length (2 bytes, big-endian) and bytes.
//   op % 6: 0  a frame into a ring. argument: bit 0 the uplink's (else the pod's), bit 1 its MAC is
//              made ours, bit 2 its IPv4 checksum is made right, bit 3 the first 10 bytes are its
//              virtio_net_hdr
//           1  argument % 8 + 1 turns are due
//           2  time passes: 1 ms << argument % 20
//           3  a segment of a client, 4 of a server the plane has dialled. argument % 4: which
//              connection, bit 7: a super-frame. bytes: flags, change of the sequence number, of
//              the acknowledgement, window / 256, and text. Numbers continue what was sent and seen
//           5  argument % 4: 0 another snapshot, 1 drain, 2 the pod's port goes, 3 it is back
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "dataplane/wire/builders.h"
#include "dataplane/wire/checksum.h"
#include "test/sim/turn_rig.h"

namespace meltemi::sim {
namespace {

constexpr size_t kSuperFrameText = 20'000;

void PutFrame(TurnRig* rig, uint8_t arg, std::string bytes) {
  const ip::PortId port = (arg & 1) != 0 ? kUplink : kPod;
  auto frame = std::make_unique<worker::Frame>();
  if ((arg & 8) != 0 && bytes.size() >= sizeof(frame->header)) {
    std::memcpy(&frame->header, bytes.data(), sizeof(frame->header));
    bytes.erase(0, sizeof(frame->header));
  }
  auto* p = reinterpret_cast<uint8_t*>(bytes.data());
  if ((arg & 2) != 0 && bytes.size() >= 6) wire::StoreMac(p, TurnRig::PlaneMac(port));
  if ((arg & 4) != 0 && bytes.size() >= 34) {
    const size_t header_bytes = size_t{p[14] & 15u} * 4;
    if (header_bytes >= 20 && bytes.size() >= 14 + header_bytes) {
      wire::Store16(p + 24, 0);
      wire::Store16(p + 24, static_cast<uint16_t>(~wire::SumBytes(p + 14, header_bytes)));
    }
  }
  frame->bytes = std::move(bytes);
  rig->Put(port, std::move(frame));
}

void PutSegment(TurnRig* rig, ip::PortId port, Peer* peer, uint8_t arg, std::string_view bytes) {
  if (bytes.size() < 4) return;
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto seq_change = static_cast<int8_t>(p[1]), ack_change = static_cast<int8_t>(p[2]);
  wire::TcpFields tcp{.source_port = peer->own.port,
                      .destination_port = peer->plane.port,
                      .sequence = peer->nxt + static_cast<uint32_t>(int32_t{seq_change}),
                      .acknowledgment = peer->ack + static_cast<uint32_t>(int32_t{ack_change}),
                      .flags = p[0],
                      .window = static_cast<uint16_t>(p[3] << 8),
                      .payload = std::string(bytes.substr(4))};
  nic::VnetHeader header;
  const bool v6 = !peer->own.ip.v4();
  if ((arg & 0x80) != 0 && !tcp.payload.empty()) {
    while (tcp.payload.size() < kSuperFrameText) tcp.payload += tcp.payload.substr(0, 4096);
    const auto start = static_cast<uint16_t>(wire::kEthernetBytes + (v6 ? 40 : 20));
    header = {.flags = nic::kVnetNeedsChecksum,
              .gso_type = v6 ? nic::kVnetGsoTcp6 : nic::kVnetGsoTcp4,
              .hdr_len = static_cast<uint16_t>(start + wire::kTcpBytes),
              .gso_size = 1000,
              .csum_start = start,
              .csum_offset = wire::kTcpChecksumOffset};
    tcp.partial_checksum = true;
  }
  if (seq_change == 0) {
    peer->nxt += static_cast<uint32_t>(tcp.payload.size()) +
                 ((tcp.flags & wire::kTcpSyn) != 0 ? 1 : 0) +
                 ((tcp.flags & wire::kTcpFin) != 0 ? 1 : 0);
  }
  rig->PutPacket(port,
                 wire::Ip({.source = peer->own.ip, .destination = peer->plane.ip}, wire::Tcp(tcp)),
                 header);
}

void Do(TurnRig* rig, uint8_t op, uint8_t arg, std::string_view bytes) {
  switch (op % 6) {
    case 0:
      return PutFrame(rig, arg, std::string(bytes));
    case 1:
      for (int i = 0; i <= arg % 8; ++i) rig->Turn();
      return;
    case 2:
      rig->Wait(Duration::Millis(int64_t{1} << arg % 20));
      return rig->Turn();
    case 3:
      return PutSegment(rig, kPod, &rig->client(arg % kClients), arg, bytes);
    case 4:
      if (rig->servers().empty()) return;
      return PutSegment(rig, kUplink, &rig->servers()[arg % rig->servers().size()], arg, bytes);
    case 5:
      return rig->Change(arg % 4);
  }
}

void Run(const uint8_t* data, size_t n) {
  TurnRig rig;
  while (n >= 4) {
    const size_t bytes = std::min<size_t>(wire::Load16(data + 2), n - 4);
    Do(&rig, data[0], data[1], {reinterpret_cast<const char*>(data) + 4, bytes});
    data += 4 + bytes;
    n -= 4 + bytes;
  }
  rig.Silence();
}

}  // namespace
}  // namespace meltemi::sim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  meltemi::sim::Run(data, n);
  return 0;
}
