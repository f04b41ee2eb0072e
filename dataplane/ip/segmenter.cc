#include "dataplane/ip/segmenter.h"

#include <algorithm>
#include <cstring>

#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/transport.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr uint32_t kLinearBytesMax = packet::kLargeRoom - packet::kHeadroom;
constexpr uint32_t kSmallBytesMax = packet::kSmallRoom - packet::kHeadroom;
constexpr uint64_t kPartFlags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_L4_MASK;

// With the addresses in the IP header at `ip`.
uint16_t PseudoSum(const uint8_t* ip, uint8_t protocol, uint32_t l4_bytes) {
  const bool v4 = ip[0] >> 4 == 4;
  const IpAddr source = v4 ? IpAddr::V4(ip + 12) : IpAddr::V6(ip + 8);
  const IpAddr destination = v4 ? IpAddr::V4(ip + 16) : IpAddr::V6(ip + 24);
  return wire::PseudoHeaderSum(source, destination, protocol, l4_bytes);
}

uint32_t HeaderBytes(const packet::Packet* p) {
  return static_cast<uint32_t>(p->l2_len + p->l3_len + p->l4_len);
}

uint32_t PartCount(const packet::Packet* frame) {
  const uint32_t header_bytes = HeaderBytes(frame);
  const uint32_t size = frame->tso_segsz;
  if (size == 0 || header_bytes + size > kLinearBytesMax) return 0;
  const uint32_t payload = frame->pkt_len - header_bytes;
  const uint32_t count = std::max(1u, (payload + size - 1) / size);
  return count <= limits::kSuperFrameSegmentsMax ? count : 0;
}

}  // namespace

Segmenter::Segmenter(const packet::Packet* frame, packet::PacketPool* pool)
    : frame_(frame), pool_(pool), header_bytes_(HeaderBytes(frame)), reader_(frame) {
  CHECK(frame->data_len >= header_bytes_);
  count_ = PartCount(frame);
  if (count_ > 0) reader_.Skip(header_bytes_);
}

packet::Packet* Segmenter::Next() {
  CHECK(index_ < count_);
  const uint32_t payload = frame_->pkt_len - header_bytes_;
  const uint32_t n = std::min<uint32_t>(frame_->tso_segsz, payload - offset_);
  packet::Packet* part =
      pool_->Alloc(header_bytes_ + n <= kSmallBytesMax ? packet::kSmall : packet::kLarge);
  if (part == nullptr) return nullptr;
  uint8_t* p = packet::Append(part, static_cast<uint16_t>(header_bytes_ + n));
  std::memcpy(p, packet::Data(frame_), header_bytes_);
  reader_.Copy(p + header_bytes_, n);
  part->l2_len = frame_->l2_len;
  part->l3_len = frame_->l3_len;
  part->l4_len = frame_->l4_len;
  part->ol_flags |= frame_->ol_flags & kPartFlags;

  uint8_t* ip = p + frame_->l2_len;
  uint8_t* l4 = ip + frame_->l3_len;
  const uint32_t l4_bytes = frame_->l4_len + n;
  FixIp(ip, l4_bytes);
  if ((frame_->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0) {
    FixUdp(ip, l4, l4_bytes);
  } else {
    FixTcp(ip, l4, l4_bytes);
  }
  ++index_;
  offset_ += n;
  return part;
}

void Segmenter::FixIp(uint8_t* ip, uint32_t l4_bytes) const {
  const uint32_t l3_bytes = frame_->l3_len;
  if (ip[0] >> 4 == 4) {
    wire::Store16(ip + 2, static_cast<uint16_t>(l3_bytes + l4_bytes));
    wire::Store16(ip + 4, static_cast<uint16_t>(wire::Load16(ip + 4) + index_));
    wire::Store16(ip + 10, 0);
    wire::Store16(ip + 10, static_cast<uint16_t>(~wire::SumBytes(ip, l3_bytes)));
  } else {
    wire::Store16(ip + 4, static_cast<uint16_t>(l3_bytes - wire::kIpv6Bytes + l4_bytes));
  }
}

// The flags that speak of the first or the last byte stay with it.
void Segmenter::FixTcp(uint8_t* ip, uint8_t* tcp, uint32_t l4_bytes) const {
  wire::Store32(tcp + 4, wire::Load32(tcp + 4) + offset_);
  if (index_ > 0) tcp[13] &= static_cast<uint8_t>(~wire::kTcpCwr);  // RFC 3168 6.1.2: once
  if (index_ + 1 < count_) tcp[13] &= static_cast<uint8_t>(~(wire::kTcpFin | wire::kTcpPsh));
  wire::Store16(tcp + wire::kTcpChecksumOffset, PseudoSum(ip, wire::kProtoTcp, l4_bytes));
}

void Segmenter::FixUdp(uint8_t* ip, uint8_t* udp, uint32_t l4_bytes) const {
  wire::Store16(udp + 4, static_cast<uint16_t>(l4_bytes));
  wire::Store16(udp + wire::kUdpChecksumOffset, PseudoSum(ip, wire::kProtoUdp, l4_bytes));
}

}  // namespace meltemi::ip
