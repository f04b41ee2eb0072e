// Segmenter: software GSO. Makes the packets that a super-frame stands for, one after the other.
//
// Pure: borrows the frame (which stays the caller's) and the pool for as long as it lives. The
// frame begins at its Ethernet header and says by l2_len, l3_len, l4_len, tso_segsz and
// RTE_MBUF_F_TX_TCP_SEG or _UDP_SEG how it is to be cut (packet.h); all headers are in its first
// piece and its L4 checksum counts for nothing: each part gets its own, partial.
//
// A part is a linear copy, headers and payload, as AF_XDP and shared queues need it. Borrowing the
// payload would save half of what a part costs, 28 of 52 ns, on NICs that have no TSO but take
// chains (bench/micro:merge_benchmark, CutCopied and CutBorrowed).
//
// Bounds: kSuperFrameSegmentsMax parts; the pool.
#ifndef MELTEMI_DATAPLANE_IP_SEGMENTER_H_
#define MELTEMI_DATAPLANE_IP_SEGMENTER_H_

#include <cstdint>

#include "dataplane/ip/chain_reader.h"
#include "dataplane/packet/packet_pool.h"

namespace meltemi::ip {

class Segmenter {
 public:
  Segmenter(const packet::Packet* frame, packet::PacketPool* pool);

  // How many parts it is cut into; 0: it cannot be cut as it says (no size, too many parts, a part
  // beyond what a packet holds).
  uint32_t count() const { return count_; }
  // The next part, `count` times, the caller's then; null when the pool is exhausted. TCP: its
  // sequence number, the flags that are its own, IPv4's identification counted on (RFC 6864 asks
  // nothing more). UDP: its length.
  packet::Packet* Next();

 private:
  void FixIp(uint8_t* ip, uint32_t l4_bytes) const;
  void FixTcp(uint8_t* ip, uint8_t* tcp, uint32_t l4_bytes) const;
  void FixUdp(uint8_t* ip, uint8_t* udp, uint32_t l4_bytes) const;

  const packet::Packet* const frame_;
  packet::PacketPool* const pool_;
  const uint32_t header_bytes_;
  uint32_t count_ = 0;
  uint32_t index_ = 0;   // of the next part
  uint32_t offset_ = 0;  // of its payload in the frame's
  ChainReader reader_;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_SEGMENTER_H_
