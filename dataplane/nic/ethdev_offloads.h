// What we ask of a DPDK device, by what it says of itself, and packets made so that it takes them.
//
// Owns nothing; pure functions over DPDK's structs, no call of DPDK's. Called by DpdkEthdevPort:
// ChooseOffloads and ChooseRss when the device is opened, on the control thread; MakeSendable for
// every packet, on the worker that sends it. Bounds: a frame is at most 64 KB, so a copy of it is
// kCopyPiecesMax pieces.
// The contract is rte_mbuf_core.h's (RTE_MBUF_F_TX_*), as far as it can be checked
// rte_validate_tx_offload's, and rte_eth_desc_lim's for the number of pieces.
#ifndef MELTEMI_DATAPLANE_NIC_ETHDEV_OFFLOADS_H_
#define MELTEMI_DATAPLANE_NIC_ETHDEV_OFFLOADS_H_

#include <cstdint>
#include <vector>

#include "dataplane/nic/port.h"
#include "dataplane/packet/packet_pool.h"

struct rte_eth_dev_info;

namespace meltemi::nic {

// What a driver cannot do with our packets.
enum class TxCopy : uint8_t {
  kNever,
  kChains,    // takes one segment that is its own
  kBorrowed,  // another worker may free it: hand over rooms, not views of rooms
};

// How packets must be when they are handed to the driver.
struct TxRules {
  TxCopy copy = TxCopy::kNever;
  // Pieces of one packet, and of one frame on the wire: of a packet, or of a part that the device
  // cuts from a super-frame, its headers among them.
  uint16_t pieces_max = UINT16_MAX;
  uint16_t frame_pieces_max = UINT16_MAX;
};

// Of a 64 KB frame in large segments.
inline constexpr uint16_t kCopyPiecesMax = 65'535 / packet::kLargeRoom + 1;
// A part of a super-frame that was copied so: its headers, and text from two segments.
inline constexpr uint16_t kCopyFramePiecesMax = 3;
// Drivers refuse super-frames of smaller segments than this one or that (i40e below 256 bytes, ice
// below 64), and nothing in rte_eth_dev_info tells.
inline constexpr uint16_t kTsoSegmentBytesMin = 256;

struct EthdevOffloads {
  uint64_t tx = 0, rx = 0;  // RTE_ETH_TX_OFFLOAD_*, RTE_ETH_RX_OFFLOAD_*
  PortCaps caps;            // as far as it follows: checksums, segmentation, chains
  TxRules rules;
};

// `wanted`: how packets must be whatever the device says of itself. A device that does not say
// that it takes chains gets none, unless `chains` says that it keeps them whole all the same (a
// ring does).
enum class Chains : uint8_t { kIfOffered, kTaken };
EthdevOffloads ChooseOffloads(const rte_eth_dev_info& info, uint32_t mtu, TxCopy wanted,
                              Chains chains);

// How connections are spread over receive queues: both directions of one to the same.
struct RssChoice {
  uint64_t hash_fields = 0;  // RTE_ETH_RSS_*; 0: the device spreads nothing, one queue is all
  std::vector<uint8_t> key;
};
RssChoice ChooseRss(const rte_eth_dev_info& info);

// The packet as the driver takes it: itself, or a copy of it (it is freed then). Null when memory
// for the copy has run out; the packet stays the caller's.
packet::Packet* MakeSendable(const TxRules& rules, packet::PacketPool& pool,
                             packet::Packet* packet);

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_ETHDEV_OFFLOADS_H_
