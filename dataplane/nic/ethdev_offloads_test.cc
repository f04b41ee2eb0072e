// Goal: whatever a device says of itself, it gets packets that DPDK's contract allows it to be
// given. Method: rte_eth_dev_info by hand, frames as the IP layer makes them, judged by
// rte_validate_tx_offload and by counting pieces anew.
#include "dataplane/nic/ethdev_offloads.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "dataplane/packet/heap_pool.h"
#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi::nic {
namespace {

using packet::HeapPacketPool;
using packet::Packet;

constexpr uint64_t kTcp = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
constexpr uint64_t kUdp = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
constexpr uint64_t kIpv4 = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
constexpr uint64_t kTso = RTE_ETH_TX_OFFLOAD_TCP_TSO;
constexpr uint64_t kMulti = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
constexpr uint64_t kAll = kTcp | kUdp | kIpv4 | kTso | kMulti;
constexpr uint64_t kBits[] = {kTcp, kUdp, kIpv4, kTso, kMulti};

// What i40e says of its queues: 8 pieces a frame, a byte's worth for a super-frame.
rte_eth_dev_info Info(uint64_t tx) {
  rte_eth_dev_info info;
  std::memset(&info, 0, sizeof(info));
  info.tx_offload_capa = tx;
  info.tx_desc_lim.nb_seg_max = 255;
  info.tx_desc_lim.nb_mtu_seg_max = 8;
  return info;
}

EthdevOffloads Choose(const rte_eth_dev_info& info) {
  return ChooseOffloads(info, 1500, TxCopy::kNever, Chains::kIfOffered);
}

enum class Family : uint8_t { kV4, kV6 };

// A TCP frame whose text comes in borrowed pieces of `piece_bytes`; above `part_bytes` of text it
// is a super-frame, if `part_bytes` is not 0.
struct FrameShape {
  Family family = Family::kV4;
  uint32_t text_bytes = 1000;
  uint32_t piece_bytes = 16'000;
  uint16_t part_bytes = 0;
};

Packet* MakeFrame(HeapPacketPool* pool, const FrameShape& shape) {
  const bool v4 = shape.family == Family::kV4;
  const uint16_t l3_bytes = v4 ? 20 : 40;
  Packet* p = pool->Alloc();
  uint8_t* data = packet::Append(p, 14 + l3_bytes + 20);
  std::memset(data, 0xaa, p->data_len);
  p->l2_len = 14;
  p->l3_len = l3_bytes;
  p->l4_len = 20;
  p->ol_flags |= (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6) | RTE_MBUF_F_TX_TCP_CKSUM;
  if (shape.part_bytes != 0 && shape.text_bytes > shape.part_bytes) {
    p->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    p->tso_segsz = shape.part_bytes;
  }
  Chain text;
  for (uint32_t done = 0; done < shape.text_bytes;) {
    const uint32_t n = std::min(shape.piece_bytes, shape.text_bytes - done);
    Chain piece;
    std::string bytes(n, '\0');
    for (uint32_t i = 0; i < n; ++i) bytes[i] = static_cast<char>((done + i) * 7);
    EXPECT_TRUE(AppendCopy(pool, bytes, &piece));
    text.Append(std::move(piece));
    done += n;
  }
  EXPECT_TRUE(pool->AppendBytes(p, text, 0, text.size(), 0));
  return p;
}

std::string BytesOf(const Packet* p) {
  std::string bytes;
  for (const Packet* s = p; s != nullptr; s = s->next) {
    bytes.append(reinterpret_cast<const char*>(packet::Data(s)), s->data_len);
  }
  return bytes;
}

// In how many pieces the worst of the frames lies that the device makes of the packet, by counting
// every byte's piece.
int WorstFramePieces(const Packet* p) {
  const bool super = (p->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
  if (!super) return p->nb_segs;
  std::vector<int> piece_of;
  int piece = 0;
  for (const Packet* s = p; s != nullptr; s = s->next, ++piece) {
    piece_of.insert(piece_of.end(), s->data_len, piece);
  }
  const size_t headers = p->l2_len + p->l3_len + p->l4_len;
  int worst = 0;
  for (size_t from = headers; from < piece_of.size(); from += p->tso_segsz) {
    const size_t last = std::min(piece_of.size(), from + p->tso_segsz) - 1;
    worst = std::max(worst, piece_of[last] - piece_of[from] + 2);  // and its headers
  }
  return worst;
}

// What the IP layer gives a port with these capabilities, made ready for it.
void ExpectTaken(const EthdevOffloads& offloads, FrameShape shape, const std::string& what) {
  HeapPacketPool pool;
  if (!offloads.caps.tx_segmentation) shape.part_bytes = 0;
  Packet* p = MakeFrame(&pool, shape);
  if (!offloads.caps.tx_checksum) {
    p->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
  }
  std::string wanted = BytesOf(p);
  p = MakeSendable(offloads.rules, pool, p);
  ASSERT_NE(p, nullptr) << what;
  EXPECT_EQ(rte_validate_tx_offload(p), 0) << what;
  const bool super = (p->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
  const bool v4 = shape.family == Family::kV4;
  EXPECT_EQ((p->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0, super && v4) << what;
  if (super && v4) wanted[14 + 10] = wanted[14 + 11] = '\0';
  EXPECT_EQ(BytesOf(p), wanted) << what;
  EXPECT_LE(p->nb_segs, offloads.rules.pieces_max) << what;
  EXPECT_LE(WorstFramePieces(p), offloads.rules.frame_pieces_max) << what;
  if ((offloads.tx & kMulti) == 0) EXPECT_EQ(p->nb_segs, 1) << what;
  pool.Free(p);
  EXPECT_EQ(pool.outstanding(), 0) << what;
}

TEST(EthdevOffloads, EverySetOfCapabilitiesGetsFramesThatItMayBeGiven) {
  for (uint32_t set = 0; set < 32; ++set) {
    uint64_t tx = 0;
    for (int i = 0; i < 5; ++i) tx |= (set >> i & 1) != 0 ? kBits[i] : 0;
    const EthdevOffloads offloads = Choose(Info(tx));
    EXPECT_EQ(offloads.tx & ~tx, 0u) << "asks for what is not there";
    EXPECT_EQ(offloads.caps.tx_checksum, (tx & kTcp) != 0 && (tx & kUdp) != 0);
    EXPECT_EQ(offloads.caps.tx_segmentation, tx == kAll);
    EXPECT_EQ(offloads.caps.super_frame_bytes_max, tx == kAll ? 65'535u : 0u);
    EXPECT_TRUE(offloads.caps.tx_chains);
    for (const Family family : {Family::kV4, Family::kV6}) {
      const std::string what = std::to_string(set) + (family == Family::kV4 ? " v4" : " v6");
      ExpectTaken(offloads, {.family = family, .text_bytes = 100}, what);
      ExpectTaken(offloads, {.family = family, .text_bytes = 1400, .piece_bytes = 100}, what);
      const uint32_t most = tx == kAll ? 60'000 : 1460;
      ExpectTaken(offloads, {.family = family, .text_bytes = most, .part_bytes = 1460}, what);
    }
  }
}

TEST(EthdevOffloads, ChainsBeyondWhatADeviceTakesAreCopied) {
  rte_eth_dev_info info = Info(kAll);
  const struct {
    const char* name;
    uint16_t pieces_max, frame_pieces_max;
    FrameShape shape;
    bool copied;
  } kRows[] = {
      {"at the frame's bound", 255, 8, {.text_bytes = 700, .piece_bytes = 100}, false},
      {"one above", 255, 8, {.text_bytes = 800, .piece_bytes = 100}, true},
      {"parts in few pieces",
       255,
       8,
       {.text_bytes = 60'000, .piece_bytes = 1000, .part_bytes = 1460},
       false},
      {"parts in many",
       255,
       8,
       {.text_bytes = 60'000, .piece_bytes = 200, .part_bytes = 1460},
       true},
      {"at the packet's bound",
       41,
       8,
       {.text_bytes = 40'000, .piece_bytes = 1000, .part_bytes = 1460},
       false},
      {"above it", 40, 8, {.text_bytes = 40'000, .piece_bytes = 1000, .part_bytes = 1460}, true},
      {"no limit", 0, 0, {.text_bytes = 60'000, .piece_bytes = 20, .part_bytes = 1460}, false},
  };
  for (const auto& row : kRows) {
    info.tx_desc_lim.nb_seg_max = row.pieces_max;
    info.tx_desc_lim.nb_mtu_seg_max = row.frame_pieces_max;
    const EthdevOffloads offloads = Choose(info);
    ASSERT_TRUE(offloads.caps.tx_segmentation) << row.name;
    ExpectTaken(offloads, row.shape, row.name);
    HeapPacketPool pool;
    Packet* p = MakeFrame(&pool, row.shape);
    Packet* ready = MakeSendable(offloads.rules, pool, p);
    EXPECT_EQ(ready != p, row.copied) << row.name;
    pool.Free(ready);
  }
}

TEST(EthdevOffloads, AnyFrameFitsTheLimits) {
  Prng prng(7);
  for (int round = 0; round < 400; ++round) {
    rte_eth_dev_info info = Info(kAll);
    info.tx_desc_lim.nb_seg_max = static_cast<uint16_t>(1 + prng.Below(80));
    info.tx_desc_lim.nb_mtu_seg_max = static_cast<uint16_t>(1 + prng.Below(12));
    const EthdevOffloads offloads = Choose(info);
    FrameShape shape{.family = prng.Chance(1, 2) ? Family::kV4 : Family::kV6,
                     .piece_bytes = static_cast<uint32_t>(200 + prng.Below(9000)),
                     .part_bytes = static_cast<uint16_t>(536 + prng.Below(8400))};
    shape.text_bytes =
        1 + static_cast<uint32_t>(prng.Below(offloads.caps.tx_segmentation ? 65'000 : 9000));
    ExpectTaken(offloads, shape, std::to_string(round));
  }
}

// A limit below what even a copy needs: super-frames are cut in software instead.
TEST(EthdevOffloads, LimitsThatNoSuperFrameCanMeetTurnSegmentationOff) {
  const struct {
    uint16_t pieces_max, frame_pieces_max;
    bool segmentation;
  } kRows[] = {
      {kCopyPiecesMax, kCopyFramePiecesMax, true},
      {kCopyPiecesMax - 1, kCopyFramePiecesMax, false},
      {kCopyPiecesMax, kCopyFramePiecesMax - 1, false},
  };
  for (const auto& row : kRows) {
    rte_eth_dev_info info = Info(kAll);
    info.tx_desc_lim.nb_seg_max = row.pieces_max;
    info.tx_desc_lim.nb_mtu_seg_max = row.frame_pieces_max;
    const EthdevOffloads offloads = Choose(info);
    EXPECT_EQ(offloads.caps.tx_segmentation, row.segmentation);
    EXPECT_EQ((offloads.tx & kTso) != 0, row.segmentation);
    EXPECT_EQ(offloads.caps.segment_bytes_min, row.segmentation ? kTsoSegmentBytesMin : 0);
    EXPECT_TRUE(offloads.caps.tx_checksum);
  }
}

TEST(EthdevOffloads, WhatThePortCannotKeepIsCopied) {
  const struct {
    const char* name;
    uint64_t tx;
    TxCopy wanted;
    Chains chains;
    TxCopy copy;
  } kRows[] = {
      {"a NIC", kAll, TxCopy::kNever, Chains::kIfOffered, TxCopy::kNever},
      {"queues that workers share", kAll, TxCopy::kBorrowed, Chains::kIfOffered, TxCopy::kBorrowed},
      {"no chains", 0, TxCopy::kBorrowed, Chains::kIfOffered, TxCopy::kChains},
      {"a ring", 0, TxCopy::kBorrowed, Chains::kTaken, TxCopy::kBorrowed},
      {"AF_XDP", kMulti, TxCopy::kChains, Chains::kIfOffered, TxCopy::kChains},
  };
  for (const auto& row : kRows) {
    const EthdevOffloads offloads = ChooseOffloads(Info(row.tx), 1500, row.wanted, row.chains);
    EXPECT_EQ(offloads.rules.copy, row.copy) << row.name;
    HeapPacketPool pool;
    Packet* p = MakeFrame(&pool, {.text_bytes = 1200, .piece_bytes = 400});
    const std::string bytes = BytesOf(p);
    Packet* ready = MakeSendable(offloads.rules, pool, p);
    EXPECT_EQ(ready != p, row.copy != TxCopy::kNever) << row.name;
    EXPECT_EQ(BytesOf(ready), bytes) << row.name;
    for (const Packet* s = ready; s != nullptr; s = s->next) {
      const bool borrowed = (s->ol_flags & RTE_MBUF_F_INDIRECT) != 0;
      EXPECT_EQ(borrowed, s != ready && row.copy == TxCopy::kNever) << row.name;
    }
    pool.Free(ready);
    EXPECT_EQ(pool.outstanding(), 0) << row.name;
  }
}

TEST(EthdevOffloads, WithoutMemoryForACopyThePacketStaysTheCallers) {
  HeapPacketPool pool({1, 3, 64}, nullptr);
  const EthdevOffloads offloads =
      ChooseOffloads(Info(kAll), 1500, TxCopy::kBorrowed, Chains::kIfOffered);
  Packet* p = MakeFrame(&pool, {.text_bytes = 40'000, .part_bytes = 1460});
  EXPECT_EQ(MakeSendable(offloads.rules, pool, p), nullptr);
  EXPECT_EQ(p->ol_flags & RTE_MBUF_F_TX_IP_CKSUM, 0u);
  pool.Free(p);
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(EthdevOffloads, ReceivesChecksumsAndScatterWhereFramesNeedIt) {
  constexpr uint64_t kSums =
      RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
  rte_eth_dev_info info = Info(0);
  info.rx_offload_capa = kSums | RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_TCP_LRO;
  EXPECT_EQ(ChooseOffloads(info, 1500, TxCopy::kNever, Chains::kIfOffered).rx, kSums);
  EXPECT_EQ(ChooseOffloads(info, 9000, TxCopy::kNever, Chains::kIfOffered).rx,
            kSums | RTE_ETH_RX_OFFLOAD_SCATTER);
  info.rx_offload_capa = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
  EXPECT_EQ(ChooseOffloads(info, 9000, TxCopy::kNever, Chains::kIfOffered).rx,
            uint64_t{RTE_ETH_RX_OFFLOAD_TCP_CKSUM});
}

TEST(EthdevOffloads, RssTakesWhatTheDeviceHashesWithASymmetricKey) {
  rte_eth_dev_info info = Info(0);
  EXPECT_EQ(ChooseRss(info).hash_fields, 0u);
  EXPECT_EQ(ChooseRss(info).key.size(), 40u);
  info.flow_type_rss_offloads =
      RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_SCTP;
  info.hash_key_size = 52;
  const RssChoice chosen = ChooseRss(info);
  EXPECT_EQ(chosen.hash_fields, uint64_t{RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP});
  ASSERT_EQ(chosen.key.size(), 52u);
  for (size_t i = 0; i + 2 < chosen.key.size(); ++i) EXPECT_EQ(chosen.key[i], chosen.key[i + 2]);
  EXPECT_NE(chosen.key[0], chosen.key[1]);
}

}  // namespace
}  // namespace meltemi::nic
