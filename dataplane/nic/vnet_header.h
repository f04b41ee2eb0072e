// The virtio_net_hdr that AF_PACKET and TAP put before each frame, as mbuf offload flags and back.
//
// Owns nothing; pure functions. Must not know: file descriptors. Called by the ports on a worker.
// A pod writes the frame and, through its own raw sockets, part of the header: FromVnet believes no
// offset before it has seen that it lies inside the first segment.
// virtio 1.2, 5.1.6 (the header); packet/packet.h (what the flags mean inside the plane).
#ifndef MELTEMI_DATAPLANE_NIC_VNET_HEADER_H_
#define MELTEMI_DATAPLANE_NIC_VNET_HEADER_H_

#include "dataplane/packet/packet.h"

namespace meltemi::nic {

inline constexpr uint16_t kEthernetBytes = 14;

// struct virtio_net_hdr and its constants in native byte order, as the kernel's sockets have it
// (linux/virtio_net.h itself does not compile as C++).
struct VnetHeader {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t hdr_len = 0;
  uint16_t gso_size = 0;
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;  // from csum_start
};
static_assert(sizeof(VnetHeader) == 10);
inline constexpr uint8_t kVnetNeedsChecksum = 1;
inline constexpr uint8_t kVnetDataValid = 2;
inline constexpr uint8_t kVnetGsoNone = 0;
inline constexpr uint8_t kVnetGsoTcp4 = 1;
inline constexpr uint8_t kVnetGsoTcp6 = 4;
inline constexpr uint8_t kVnetGsoUdpL4 = 5;
inline constexpr uint8_t kVnetGsoEcn = 0x80;  // beside a TCP kind: CWR is set

enum class VnetVerdict : uint8_t { kOk, kBad };

// Sets ol_flags, tso_segsz and the header lengths of a received frame.
//
// A partial checksum (the sender left the pseudo-header sum in the field and vouches for the data)
// becomes RX_L4_CKSUM_GOOD together with the transmit flags that would complete it: a packet that
// is only forwarded goes out as it came in, and whoever reads the bytes may trust them. A
// super-frame likewise carries RX_LRO and TX_TCP_SEG (or TX_UDP_SEG). A partial checksum of
// anything else than TCP and UDP is completed here. kBad: the header contradicts the frame.
VnetVerdict FromVnet(const VnetHeader& header, packet::Packet* frame);

// The same for a frame whose driver says RX_L4_CKSUM_NONE (partial checksum; virtio and vhost do),
// with LRO and tso_segsz set for super-frames: reads the places from the frame's own headers.
VnetVerdict FromDriver(packet::Packet* frame);

// The header for a frame to be sent. Frames without transmit flags get an all-zero one.
VnetHeader ToVnet(const packet::Packet& frame);

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_VNET_HEADER_H_
