#include "dataplane/nic/ethdev_offloads.h"

#include <rte_ethdev.h>

#include <algorithm>

#include "dataplane/nic/vnet_header.h"

namespace meltemi::nic {
namespace {

using packet::Packet;
using packet::PacketPool;

constexpr uint16_t kIpv4ChecksumAt = 10;
constexpr uint32_t kLinearBytesMax = packet::kLargeRoom - packet::kHeadroom;

// What a device cuts, it makes headers for: it must know how to sum all of them.
constexpr uint64_t kL4Checksums = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
constexpr uint64_t kSegmentation = kL4Checksums | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
                                   RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

// Drivers that have no limit leave what rte_eth_dev_info_get put there, or 0.
uint16_t Limit(uint16_t said) { return said == 0 ? UINT16_MAX : said; }

bool HasBorrowed(const Packet* packet) {
  for (const Packet* s = packet; s != nullptr; s = s->next) {
    if ((s->ol_flags & RTE_MBUF_F_INDIRECT) != 0) return true;
  }
  return false;
}

bool IsSuperFrame(const Packet* packet) { return (packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0; }

// Whether a part that the device cuts lies in more than `pieces_max` pieces, one of them the
// headers. All headers lie in the frame's first piece.
bool PartsAreScattered(const Packet* frame, uint32_t pieces_max) {
  const uint32_t part_bytes = frame->tso_segsz;
  uint32_t pieces = 1;  // of the part under way
  uint32_t room = part_bytes;
  uint32_t skip = frame->l2_len + frame->l3_len + frame->l4_len;
  for (const Packet* s = frame; s != nullptr; s = s->next, skip = 0) {
    uint32_t left = s->data_len - std::min<uint32_t>(skip, s->data_len);
    while (left > 0) {
      if (++pieces > pieces_max) return true;
      const uint32_t taken = std::min(left, room);
      left -= taken;
      room -= taken;
      if (room == 0) {
        room = part_bytes;
        pieces = 1;
      }
    }
  }
  return false;
}

bool TooManyPieces(const TxRules& rules, const Packet* packet) {
  // A frame's pieces are among the packet's: few of those need no closer look.
  if (packet->nb_segs <= std::min(rules.pieces_max, rules.frame_pieces_max)) return false;
  if (packet->nb_segs > rules.pieces_max || !IsSuperFrame(packet)) return true;
  return packet->tso_segsz == 0 || PartsAreScattered(packet, rules.frame_pieces_max);
}

Packet* Copy(const TxRules& rules, PacketPool& pool, const Packet* packet) {
  if (rules.copy == TxCopy::kChains || packet->pkt_len <= kLinearBytesMax) {
    return pool.CopyLinear(packet);
  }
  return pool.CopyChain(packet);
}

// rte_mbuf_core.h of RTE_MBUF_F_TX_TCP_SEG: each part gets an IPv4 header of its own, whose sum
// the device must be told to make, from 0.
void AskForHeaderChecksum(Packet* packet) {
  if (!IsSuperFrame(packet) || (packet->ol_flags & RTE_MBUF_F_TX_IPV4) == 0) return;
  packet->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
  uint8_t* field = packet::Data(packet) + packet->l2_len + kIpv4ChecksumAt;
  field[0] = field[1] = 0;
}

}  // namespace

EthdevOffloads ChooseOffloads(const rte_eth_dev_info& info, uint32_t mtu, TxCopy wanted,
                              Chains chains) {
  EthdevOffloads chosen;
  constexpr uint64_t kRxWanted =
      RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
  chosen.rx = info.rx_offload_capa & kRxWanted;
  // Frames above a small segment's room arrive in several.
  if (mtu + kEthernetBytes + 4 > packet::kSmallRoom - packet::kHeadroom) {
    chosen.rx |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  }
  chosen.tx = info.tx_offload_capa & kSegmentation;

  TxRules& rules = chosen.rules;
  rules.copy = wanted;
  rules.pieces_max = Limit(info.tx_desc_lim.nb_seg_max);
  rules.frame_pieces_max = Limit(info.tx_desc_lim.nb_mtu_seg_max);
  const bool takes_chains =
      chains == Chains::kTaken || (chosen.tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
  if (!takes_chains) rules.copy = TxCopy::kChains;
  // What cannot take a super-frame even when it was copied is not asked to.
  const bool takes_super_frames =
      rules.copy != TxCopy::kChains && (chosen.tx & kSegmentation) == kSegmentation &&
      rules.pieces_max >= kCopyPiecesMax && rules.frame_pieces_max >= kCopyFramePiecesMax;
  if (!takes_super_frames) chosen.tx &= ~RTE_ETH_TX_OFFLOAD_TCP_TSO;

  PortCaps& caps = chosen.caps;
  caps.tx_checksum = (chosen.tx & kL4Checksums) == kL4Checksums;
  caps.tx_segmentation = takes_super_frames;
  caps.super_frame_bytes_max = takes_super_frames ? 65'535 : 0;
  caps.segment_bytes_min = takes_super_frames ? kTsoSegmentBytesMin : 0;
  caps.tx_chains = true;  // MakeSendable copies where the driver cannot
  return chosen;
}

RssChoice ChooseRss(const rte_eth_dev_info& info) {
  RssChoice chosen;
  chosen.hash_fields =
      info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
  // 0x6d5a repeated: both directions of a connection hash alike (Woo and Park, 2012).
  chosen.key.resize(info.hash_key_size == 0 ? 40 : info.hash_key_size);
  for (size_t i = 0; i < chosen.key.size(); ++i) chosen.key[i] = i % 2 == 0 ? 0x6d : 0x5a;
  return chosen;
}

Packet* MakeSendable(const TxRules& rules, PacketPool& pool, Packet* packet) {
  const bool borrowed = rules.copy != TxCopy::kNever && HasBorrowed(packet);
  const bool chain = rules.copy == TxCopy::kChains && packet->nb_segs > 1;
  if (borrowed || chain || TooManyPieces(rules, packet)) {
    Packet* copy = Copy(rules, pool, packet);
    if (copy == nullptr) return nullptr;
    pool.Free(packet);
    packet = copy;
  }
  AskForHeaderChecksum(packet);
  return packet;
}

}  // namespace meltemi::nic
