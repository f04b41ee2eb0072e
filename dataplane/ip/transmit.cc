// The last steps before a port's queue: the link header, and in software what the port cannot do
// itself: checksums, and cutting super-frames.
#include <algorithm>

#include "dataplane/ip/chain_reader.h"
#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/transport.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr uint64_t kSegment = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG;

// With the addresses in the IP header at `ip`.
uint16_t PseudoSum(const uint8_t* ip, uint8_t protocol, uint32_t l4_bytes) {
  const bool v4 = ip[0] >> 4 == 4;
  const IpAddr source = v4 ? IpAddr::V4(ip + 12) : IpAddr::V6(ip + 8);
  const IpAddr destination = v4 ? IpAddr::V4(ip + 16) : IpAddr::V6(ip + 24);
  return wire::PseudoHeaderSum(source, destination, protocol, l4_bytes);
}

// Makes the copied headers of a super-frame those of its part `index`, with `n` payload bytes at
// `offset` of it. The L4 checksum field gets the pseudo-header sum.
void FixHeaders(uint8_t* frame, const packet::Packet* super, uint32_t index, uint32_t offset,
                uint32_t n, bool last) {
  uint8_t* ip = frame + super->l2_len;
  uint8_t* l4 = ip + super->l3_len;
  const uint32_t l4_bytes = super->l4_len + n;
  if (ip[0] >> 4 == 4) {
    wire::Store16(ip + 2, static_cast<uint16_t>(super->l3_len + l4_bytes));
    wire::Store16(ip + 4, static_cast<uint16_t>(wire::Load16(ip + 4) + index));
    wire::Store16(ip + 10, 0);
    wire::Store16(ip + 10, static_cast<uint16_t>(~wire::SumBytes(ip, super->l3_len)));
  } else {
    wire::Store16(ip + 4, static_cast<uint16_t>(super->l3_len - wire::kIpv6Bytes + l4_bytes));
  }
  if ((super->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0) {
    wire::Store16(l4 + 4, static_cast<uint16_t>(l4_bytes));
    wire::Store16(l4 + wire::kUdpChecksumOffset, PseudoSum(ip, wire::kProtoUdp, l4_bytes));
    return;
  }
  wire::Store32(l4 + 4, wire::Load32(l4 + 4) + offset);
  if (index > 0) l4[13] &= static_cast<uint8_t>(~wire::kTcpCwr);  // RFC 3168 6.1.2: once
  if (!last) l4[13] &= static_cast<uint8_t>(~(wire::kTcpFin | wire::kTcpPsh));
  wire::Store16(l4 + wire::kTcpChecksumOffset, PseudoSum(ip, wire::kProtoTcp, l4_bytes));
}

}  // namespace

void Ip::Impl::Transmit(packet::Packet* packet, PortState& port, const MacAddr& destination) {
  const uint8_t first = packet::Data(packet)[0];
  // ARP begins with hardware type 0x0001.
  const uint16_t type = first >> 4 == 4   ? wire::kEtherIpv4
                        : first >> 4 == 6 ? wire::kEtherIpv6
                                          : wire::kEtherArp;
  wire::EthernetHeader{.destination = destination, .source = port.options.mac, .type = type}.Emit(
      packet::Prepend(packet, wire::kEthernetBytes));
  if ((packet->ol_flags & kSegment) != 0) return TransmitSuperFrame(packet, port);
  if (!TxRoom(packet, port, 1)) return;
  if (packet->ol_flags & RTE_MBUF_F_TX_L4_MASK && !port.options.tx_checksum) {
    CompleteChecksum(packet);
  }
  ++counters.transmitted;
  port.tx.push_back(packet);
}

bool Ip::Impl::TxRoom(packet::Packet* frame, PortState& port, size_t count) {
  if (port.tx.size() + count <= limits::kPortTxQueuePackets) return true;
  Drop(frame, &IpCounters::drop_tx_queue_full);
  return false;
}

void Ip::Impl::TransmitSuperFrame(packet::Packet* frame, PortState& port) {
  const PortOptions& o = port.options;
  // Ports promise TCP segmentation only; UDP's is cut always.
  const bool udp = (frame->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0;
  if (udp || !o.tx_checksum || !o.tx_segmentation || frame->pkt_len > o.super_frame_bytes_max) {
    return Cut(frame, port);
  }
  if (!TxRoom(frame, port, 1)) return;
  ++counters.transmitted;
  port.tx.push_back(frame);
}

// Software GSO: every part is a linear copy. All parts go, or none.
void Ip::Impl::Cut(packet::Packet* frame, PortState& port) {
  const auto header_bytes = static_cast<uint32_t>(frame->l2_len + frame->l3_len + frame->l4_len);
  CHECK(frame->tso_segsz != 0 && frame->data_len >= header_bytes);
  const uint32_t payload = frame->pkt_len - header_bytes;
  const uint32_t size = frame->tso_segsz;
  const uint32_t count = std::max(1u, (payload + size - 1) / size);
  if (header_bytes + size > packet::kLargeRoom - packet::kHeadroom) {
    return Drop(frame, &IpCounters::drop_super_frame);
  }
  if (!TxRoom(frame, port, count)) return;
  const size_t before = port.tx.size();
  ChainReader reader(frame);
  reader.Skip(header_bytes);
  uint32_t offset = 0;
  for (uint32_t index = 0; index < count; ++index) {
    const uint32_t n = std::min(size, payload - offset);
    const bool small = header_bytes + n <= packet::kSmallRoom - packet::kHeadroom;
    packet::Packet* part = pool_->Alloc(small ? packet::kSmall : packet::kLarge);
    if (part == nullptr) {
      for (size_t i = before; i < port.tx.size(); ++i) pool_->Free(port.tx[i]);
      port.tx.resize(before);
      return Drop(frame, &IpCounters::drop_no_memory);
    }
    uint8_t* p = packet::Append(part, static_cast<uint16_t>(header_bytes + n));
    std::memcpy(p, packet::Data(frame), header_bytes);
    reader.Copy(p + header_bytes, n);
    FixHeaders(p, frame, index, offset, n, index + 1 == count);
    part->l2_len = frame->l2_len;
    part->l3_len = frame->l3_len;
    part->l4_len = frame->l4_len;
    part->ol_flags |=
        frame->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_L4_MASK);
    if (!port.options.tx_checksum) CompleteChecksum(part);
    port.tx.push_back(part);
    offset += n;
  }
  ++counters.transmitted;
  ++counters.super_frames_cut;
  pool_->Free(frame);
}

// The L4 checksum field holds the pseudo-header's sum: the sum over all of it is the whole.
void Ip::Impl::CompleteChecksum(packet::Packet* frame) {
  ++counters.software_checksums;
  const auto l4_at = static_cast<uint32_t>(frame->l2_len + frame->l3_len);
  const bool udp = (frame->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
  const uint32_t field_at = l4_at + (udp ? wire::kUdpChecksumOffset : wire::kTcpChecksumOffset);
  CHECK(frame->data_len >= field_at + 2);
  auto checksum = static_cast<uint16_t>(~wire::SumPacket(frame, l4_at, frame->pkt_len - l4_at));
  if (udp && checksum == 0) checksum = 0xffff;  // RFC 768: 0 means none
  wire::Store16(packet::Data(frame) + field_at, checksum);
  frame->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
}

}  // namespace meltemi::ip
