// The last steps before a port's queue: the link header, and in software what the port cannot do
// itself: checksums, and cutting super-frames.
#include "dataplane/ip/impl.h"
#include "dataplane/ip/segmenter.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/transport.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr uint64_t kSegment = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG;

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
  const bool takes = !udp && o.tx_checksum && o.tx_segmentation;
  if (!takes || frame->pkt_len > o.super_frame_bytes_max ||
      frame->tso_segsz < o.segment_bytes_min) {
    return Cut(frame, port);
  }
  if (!TxRoom(frame, port, 1)) return;
  ++counters.transmitted;
  port.tx.push_back(frame);
}

// Software GSO. All parts go, or none.
void Ip::Impl::Cut(packet::Packet* frame, PortState& port) {
  Segmenter segmenter(frame, pool_);
  if (segmenter.count() == 0) return Drop(frame, &IpCounters::drop_super_frame);
  if (!TxRoom(frame, port, segmenter.count())) return;
  const size_t before = port.tx.size();
  for (uint32_t i = 0; i < segmenter.count(); ++i) {
    packet::Packet* part = segmenter.Next();
    if (part == nullptr) {
      for (size_t k = before; k < port.tx.size(); ++k) pool_->Free(port.tx[k]);
      port.tx.resize(before);
      return Drop(frame, &IpCounters::drop_no_memory);
    }
    if (!port.options.tx_checksum) CompleteChecksum(part);
    port.tx.push_back(part);
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
