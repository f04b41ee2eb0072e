#include "dataplane/packet/packet_pool.h"

#include <algorithm>
#include <cstring>

namespace meltemi::packet {
namespace {

bool Indirect(const Packet* p) { return (p->ol_flags & RTE_MBUF_F_INDIRECT) != 0; }

// The segment whose room an indirect one borrows: DPDK's own rule, so that drivers free it alike.
Packet* DirectOf(Packet* p) {
  return reinterpret_cast<Packet*>(static_cast<uint8_t*>(p->buf_addr) - p->priv_size) - 1;
}

void Attach(Packet* header, Packet* direct) {
  ++direct->refcnt;
  header->buf_addr = direct->buf_addr;
  header->buf_iova = direct->buf_iova;
  header->buf_len = direct->buf_len;
  header->ol_flags |= RTE_MBUF_F_INDIRECT;
}

void Detach(Packet* header) {
  header->buf_addr = reinterpret_cast<uint8_t*>(header + 1) + header->priv_size;
  header->buf_len = 0;
  header->ol_flags = 0;
}

}  // namespace

void InitSegment(Packet* segment, SizeClass size, uint8_t* room, uint16_t room_bytes,
                 PacketPool* pool) {
  segment->buf_addr = room;
  segment->buf_len = room_bytes;
  segment->priv_size = kMetaBytes;
  segment->refcnt = 1;
  segment->next = nullptr;
  segment->nb_segs = 1;
  segment->ol_flags = 0;
  PacketMeta& meta = Meta(segment);
  meta.buffer = Buffer{.memory = room, .capacity = room_bytes, .refs = 0, .pool = pool};
  meta.size_class = size;
}

uint32_t SegmentBytes(SizeClass size) {
  // Of a mempool its header, of the heap its own and the alignment.
  constexpr uint32_t kOverhead = sizeof(Packet) + kMetaBytes + 64;
  constexpr std::array<uint32_t, kSizeClasses> kRooms = {kSmallRoom, kLargeRoom, 0};
  return kOverhead + kRooms[size];
}

SegmentCounts SplitMemory(uint64_t bytes) {
  const auto count = [](uint64_t part, SizeClass size) {
    return static_cast<uint32_t>(part / SegmentBytes(size));
  };
  return {count(bytes / 2, kSmall), count(bytes / 5 * 2, kLarge), count(bytes / 10, kHeaderOnly)};
}

Packet* PacketPool::Alloc(SizeClass size) {
  Cache& cache = caches_[size];
  if (cache.count == 0) {
    ++counters_.refills;
    cache.count = Refill(size, cache.packets.data(), kCacheBatch);
    if (cache.count == 0) {
      ++counters_.alloc_failures;
      return nullptr;
    }
  }
  Packet* p = cache.packets[--cache.count];
  ++outstanding_;
  p->next = nullptr;
  p->nb_segs = 1;
  p->ol_flags = 0;
  p->packet_type = 0;
  p->vlan_tci = 0;
  p->tx_offload = 0;
  p->data_off = std::min<uint16_t>(kHeadroom, p->buf_len);
  p->data_len = 0;
  p->pkt_len = 0;
  // The room may have come from another worker's pool with a driver's packet.
  Meta(p).buffer.pool = this;
  return p;
}

void PacketPool::FreeSegment(Packet* segment) {
  if (segment->refcnt > 1) {  // borrowed by an indirect segment on its way out
    --segment->refcnt;
    --outstanding_;
    ++deferred_;
    return;
  }
  if (Indirect(segment)) {
    Packet* direct = DirectOf(segment);
    Detach(segment);
    if (direct->refcnt > 1) {
      --direct->refcnt;
    } else {
      ++outstanding_;
      --deferred_;
      FreeSegment(direct);
    }
  }
  --outstanding_;
  segment->next = nullptr;
  segment->nb_segs = 1;
  Cache& cache = caches_[Meta(segment).size_class];
  if (cache.count == kCacheMax) {
    ++counters_.spills;
    cache.count -= kCacheBatch;
    Spill(static_cast<SizeClass>(Meta(segment).size_class), &cache.packets[cache.count],
          kCacheBatch);
  }
  cache.packets[cache.count++] = segment;
}

void PacketPool::Free(Packet* packet) {
  while (packet != nullptr) {
    Packet* next = packet->next;
    FreeSegment(packet);
    packet = next;
  }
}

void PacketPool::TakePayload(Packet* packet, uint32_t offset, uint32_t n, Chain* out) {
  CHECK(offset <= packet->pkt_len && n <= packet->pkt_len - offset);
  while (packet != nullptr) {
    Packet* next = packet->next;
    const uint32_t skip = std::min<uint32_t>(offset, packet->data_len);
    const uint32_t part = std::min<uint32_t>(n, packet->data_len - skip);
    offset -= skip;
    n -= part;
    packet->next = nullptr;
    packet->nb_segs = 1;
    if (part > 0 && !Indirect(packet)) {
      Meta(packet).buffer.pool = this;
      out->Append(Slice(&Meta(packet).buffer, Data(packet) + skip, part));
    } else {
      CHECK(part == 0);  // received packets own their rooms
      FreeSegment(packet);
    }
    packet = next;
  }
}

Packet* PacketPool::AppendSegment(Packet* packet, Packet* segment) {
  Packet* last = packet;
  while (last->next != nullptr) last = last->next;
  last->next = segment;
  ++packet->nb_segs;
  return segment;
}

bool PacketPool::AppendBytes(Packet* packet, const ChainNode* node, size_t offset, size_t n,
                             uint32_t copy_max) {
  Packet* last = packet;
  while (last->next != nullptr) last = last->next;
  if (n <= copy_max && !Indirect(last) && n <= Tailroom(last)) {
    CopyBytes(node, offset, n, Data(last) + last->data_len);
    last->data_len += n;
    packet->pkt_len += n;
    return true;
  }
  for (; n > 0; node = node->next) {
    const size_t have = node->slice.size();
    if (offset >= have) {
      offset -= have;
      continue;
    }
    const size_t part = std::min(n, have - offset);
    Packet* header = Alloc(kHeaderOnly);
    if (header == nullptr) return false;
    Packet* direct = FromBuffer(node->slice.buffer());
    Attach(header, direct);
    header->data_off = static_cast<uint16_t>(node->slice.data() + offset -
                                             static_cast<uint8_t*>(direct->buf_addr));
    header->data_len = static_cast<uint16_t>(part);
    AppendSegment(packet, header);
    packet->pkt_len += part;
    offset = 0;
    n -= part;
  }
  return true;
}

Packet* PacketPool::CopyLinear(const Packet* packet) {
  if (packet->pkt_len > kLargeRoom - kHeadroom) return nullptr;
  Packet* copy = Alloc(packet->pkt_len <= kSmallRoom - kHeadroom ? kSmall : kLarge);
  if (copy == nullptr) return nullptr;
  copy->ol_flags = packet->ol_flags & ~RTE_MBUF_F_INDIRECT;
  copy->tx_offload = packet->tx_offload;
  for (const Packet* from = packet; from != nullptr; from = from->next) {
    std::memcpy(Append(copy, from->data_len), Data(from), from->data_len);
  }
  return copy;
}

Packet* PacketPool::CopyChain(const Packet* packet) {
  Packet* copy = Alloc(kLarge);
  if (copy == nullptr) return nullptr;
  copy->ol_flags = packet->ol_flags & ~RTE_MBUF_F_INDIRECT;
  copy->tx_offload = packet->tx_offload;
  copy->tso_segsz = packet->tso_segsz;
  Packet* last = copy;
  for (const Packet* from = packet; from != nullptr; from = from->next) {
    for (uint16_t done = 0; done < from->data_len;) {
      if (Tailroom(last) == 0) {
        Packet* more = Alloc(kLarge);
        if (more == nullptr) {
          Free(copy);
          return nullptr;
        }
        more->data_off = 0;
        last = AppendSegment(copy, more);
      }
      const auto part = std::min<uint16_t>(from->data_len - done, Tailroom(last));
      std::memcpy(Data(last) + last->data_len, Data(from) + done, part);
      last->data_len += part;
      copy->pkt_len += part;
      done += part;
    }
  }
  return copy;
}

Slice PacketPool::Allocate(uint32_t size) {
  CHECK(size <= allocation_max());
  Packet* p = Alloc(size <= kSmallRoom - kHeadroom ? kSmall : kLarge);
  if (p == nullptr) return Slice();
  return Slice(&Meta(p).buffer, Data(p), size);
}

void PacketPool::Release(Buffer* buffer) { FreeSegment(FromBuffer(buffer)); }

}  // namespace meltemi::packet
