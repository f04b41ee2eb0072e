#include "dataplane/packet/dpdk_pool.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "absl/memory/memory.h"
#include "l7/base/text.h"

namespace meltemi::packet {
namespace {

static_assert(kHeadroom == RTE_PKTMBUF_HEADROOM, "drivers receive behind RTE_PKTMBUF_HEADROOM");

struct ClassShape {
  const char* suffix;
  uint16_t room;
};
constexpr std::array<ClassShape, kSizeClasses> kShapes = {
    {{"_s", kSmallRoom}, {"_l", kLargeRoom}, {"_h", 0}}};

struct InitContext {
  SizeClass size;
  PacketPool* pool;
};

void InitSegments(rte_mempool* mempool, SizeClass size, PacketPool* pool) {
  InitContext context{.size = size, .pool = pool};
  rte_mempool_obj_iter(
      mempool,
      [](rte_mempool* /*mempool*/, void* argument, void* object, unsigned /*index*/) {
        const auto* init = static_cast<const InitContext*>(argument);
        auto* segment = static_cast<Packet*>(object);
        InitSegment(segment, init->size, reinterpret_cast<uint8_t*>(segment + 1) + kMetaBytes,
                    kShapes[init->size].room, init->pool);
      },
      &context);
}

rte_mempool* CreateMempool(const std::string& name, SizeClass size, uint32_t count,
                           PacketPool* pool) {
  // No mempool cache: it is per EAL thread, and PacketPool has one of its own.
  // A stack: what was freed last is received into next and still in the cache. DPDK's default, a
  // ring, would walk over all of the pool's memory.
  rte_mempool* mempool =
      rte_pktmbuf_pool_create_by_ops((name + kShapes[size].suffix).c_str(), count, 0, kMetaBytes,
                                     kShapes[size].room, SOCKET_ID_ANY, "stack");
  if (mempool != nullptr) InitSegments(mempool, size, pool);
  return mempool;
}

}  // namespace

// AF_XDP's driver keeps whole rings of it and gives them back in another order than it took them:
// out of a stack its fill queue starves. It tells the kernel that segments lie one behind the
// other: without NO_IOVA_CONTIG they would not, where pages are small, and the kernel would drop
// what lies beyond (af_xdp_netns_test).
rte_mempool* CreateSmallMempool(const std::string& name, uint32_t count) {
  constexpr uint16_t kRoom = kShapes[kSmall].room;
  rte_mempool* mempool = rte_mempool_create_empty(
      name.c_str(), count, sizeof(rte_mbuf) + kMetaBytes + kRoom, 0,
      sizeof(rte_pktmbuf_pool_private), SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (mempool == nullptr) return nullptr;
  rte_pktmbuf_pool_private sizes = {
      .mbuf_data_room_size = kRoom, .mbuf_priv_size = kMetaBytes, .flags = 0};
  if (rte_mempool_set_ops_byname(mempool, "ring_mp_mc", nullptr) != 0) {
    rte_mempool_free(mempool);
    return nullptr;
  }
  rte_pktmbuf_pool_init(mempool, &sizes);
  if (rte_mempool_populate_default(mempool) < 0) {
    rte_mempool_free(mempool);
    return nullptr;
  }
  rte_mempool_obj_iter(mempool, rte_pktmbuf_init, nullptr);
  InitSegments(mempool, kSmall, nullptr);
  return mempool;
}

DpdkPacketPool::Options DpdkPacketPool::Sized(const std::string& name, int megabytes) {
  const SegmentCounts counts = SplitMemory(static_cast<uint64_t>(megabytes) << 20);
  return {.name = name,
          .small_count = counts[kSmall],
          .large_count = counts[kLarge],
          .header_count = counts[kHeaderOnly]};
}

absl::StatusOr<std::unique_ptr<DpdkPacketPool>> DpdkPacketPool::Create(const Options& options) {
  const SegmentCounts counts = {options.small_count, options.large_count, options.header_count};
  auto pool = absl::WrapUnique(new DpdkPacketPool(counts));
  for (int size = 0; size < kSizeClasses; ++size) {
    pool->mempools_[size] =
        CreateMempool(options.name, static_cast<SizeClass>(size), counts[size], pool.get());
    if (pool->mempools_[size] == nullptr) {
      return absl::ResourceExhaustedError(
          Abs(Cat("packet pool ", options.name, ": ", counts[size], " segments of ",
                  kShapes[size].room, " bytes: ", rte_strerror(rte_errno))));
    }
  }
  return pool;
}

DpdkPacketPool::~DpdkPacketPool() {
  for (rte_mempool* mempool : mempools_) rte_mempool_free(mempool);
}

int64_t DpdkPacketPool::InUse() const {
  int64_t in_use = 0;
  for (int size = 0; size < kSizeClasses; ++size) {
    in_use += rte_mempool_in_use_count(mempools_[size]) - cached(static_cast<SizeClass>(size));
  }
  return in_use;
}

int DpdkPacketPool::Refill(SizeClass size, Packet** out, int count) {
  auto** objects = reinterpret_cast<void**>(out);
  if (rte_mempool_get_bulk(mempools_[size], objects, count) == 0) return count;
  // Near the end: one by one, to the last.
  int given = 0;
  while (given < count && rte_mempool_get(mempools_[size], &objects[given]) == 0) ++given;
  return given;
}

uint32_t DpdkPacketPool::Available(SizeClass size, uint32_t cached) const {
  return cached + rte_mempool_avail_count(mempools_[size]);
}

void DpdkPacketPool::Spill(SizeClass /*size*/, Packet** packets, int count) {
  // Each to its own: a packet that came through a ring may be another worker's.
  for (int i = 0; i < count; ++i) rte_mempool_put(packets[i]->pool, packets[i]);
}

}  // namespace meltemi::packet
