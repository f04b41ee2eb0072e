// Packet: an rte_mbuf chain, with a private area in which the segment's data room is a counted
// Buffer (l7/base/slice.h). The same layout whether a DPDK mempool or the heap made it, so TCP, IP
// and TLS are tested without EAL (only rte_mbuf_core.h is included here: no DPDK library to link).
//
// Ownership: a Packet* is owned by whoever holds it; it ends in exactly one place: given to a port,
// PacketPool::Free, or PacketPool::TakePayload (its bytes live on as Slices).
// Thread: the worker's.
#ifndef MELTEMI_DATAPLANE_PACKET_PACKET_H_
#define MELTEMI_DATAPLANE_PACKET_PACKET_H_

#include <rte_mbuf_core.h>

#include <cstdint>

#include "l7/base/slice.h"

namespace meltemi::packet {

using Packet = rte_mbuf;

// The private area of every mbuf.
struct alignas(64) PacketMeta {
  Buffer buffer;           // counts slices of this segment's data room
  uint8_t size_class = 0;  // 0 small, 1 large, 2 header only (an indirect segment)
};
static_assert(sizeof(PacketMeta) == 64);
inline constexpr uint16_t kMetaBytes = sizeof(PacketMeta);

inline PacketMeta& Meta(Packet* p) { return *reinterpret_cast<PacketMeta*>(p + 1); }
inline Packet* FromBuffer(Buffer* b) {
  return reinterpret_cast<Packet*>(reinterpret_cast<uint8_t*>(b) - offsetof(PacketMeta, buffer)) -
         1;
}

inline uint8_t* Data(Packet* p) { return static_cast<uint8_t*>(p->buf_addr) + p->data_off; }
inline const uint8_t* Data(const Packet* p) {
  return static_cast<const uint8_t*>(p->buf_addr) + p->data_off;
}
inline uint16_t Headroom(const Packet* p) { return p->data_off; }
inline uint16_t Tailroom(const Packet* p) { return p->buf_len - p->data_off - p->data_len; }

// n bytes more at the front of the first segment; they must fit the headroom.
inline uint8_t* Prepend(Packet* p, uint16_t n) {
  CHECK(p->data_off >= n);
  p->data_off -= n;
  p->data_len += n;
  p->pkt_len += n;
  return Data(p);
}
// n bytes more at the end of a single-segment packet.
inline uint8_t* Append(Packet* p, uint16_t n) {
  CHECK(p->nb_segs == 1 && Tailroom(p) >= n);
  uint8_t* end = Data(p) + p->data_len;
  p->data_len += n;
  p->pkt_len += n;
  return end;
}
// n bytes fewer at the front of the first segment.
inline void TrimFront(Packet* p, uint16_t n) {
  CHECK(p->data_len >= n);
  p->data_off += n;
  p->data_len -= n;
  p->pkt_len -= n;
}
// Cuts the chain's end so that n bytes remain (link-layer padding). Segments left empty stay, with
// no data.
void TrimTo(Packet* p, uint32_t n);
// The first `n` bytes in one piece, moving bytes from later segments if need be. Null when the
// packet is shorter or the first segment has no room.
uint8_t* Pull(Packet* p, uint16_t n);

// What the port said on receive, and what we ask of the port on transmit: rte_mbuf's own flags.
//   receive:  RTE_MBUF_F_RX_L4_CKSUM_GOOD  checksum verified, or locally made (partial): trust it
//             RTE_MBUF_F_RX_LRO + tso_segsz super-frame
//   transmit: RTE_MBUF_F_TX_TCP_CKSUM / _UDP_CKSUM with l2_len, l3_len: the L4 checksum field holds
//   the
//             pseudo-header sum, the port (or software) completes it
//             RTE_MBUF_F_TX_TCP_SEG with tso_segsz, l4_len: super-frame
//             RTE_MBUF_F_TX_IPV4 / _IPV6 tell the family

}  // namespace meltemi::packet

#endif  // MELTEMI_DATAPLANE_PACKET_PACKET_H_
