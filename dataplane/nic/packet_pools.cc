#include "dataplane/nic/packet_pools.h"

#include "absl/memory/memory.h"
#include "dataplane/nic/device.h"
#include "dataplane/nic/dpdk_eal.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

// Of EAL's memory: the drivers' queues, AF_XDP's own pool, heap headers.
constexpr int kDriverMegabytes = 48;

// What EAL needs to make pools of `megabytes`. A segment may not lie across two pages: of a page of
// 4 KB a small one leaves 1.5 KB unused, which makes 128 MB of segments 216 MB; what is asked for
// and not used is never touched.
int EalMegabytes(int megabytes, bool hugepages) {
  return megabytes + (hugepages ? megabytes / 8 : megabytes * 3 / 4) + kDriverMegabytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PacketPools>> PacketPools::Create(
    std::span<const std::string> devices, const PacketPoolsOptions& options) {
  bool drivers = false;
  bool pci = false;
  for (const std::string& text : devices) {
    const absl::StatusOr<Device> device = ParseDevice(text);
    if (!device.ok()) continue;
    drivers |= NeedsEal(device->kind);
    pci |= device->kind == DeviceKind::kPci;
  }
  auto pools = absl::WrapUnique(new PacketPools);
  if (!drivers) {
    pools->CreateHeap(options);
    return pools;
  }
  const absl::Status status = pools->CreateDpdk(pci, options);
  if (!status.ok()) return status;
  return pools;
}

void PacketPools::CreateHeap(const PacketPoolsOptions& options) {
  const packet::SegmentCounts counts = packet::SplitMemory(
      (static_cast<uint64_t>(options.memory_mb) << 20) / static_cast<uint64_t>(options.workers));
  store_.Share(counts, static_cast<uint32_t>(options.workers));
  for (int i = 0; i < options.workers; ++i) {
    pools_.push_back(std::make_unique<packet::HeapPacketPool>(counts, &store_));
  }
}

absl::Status PacketPools::CreateDpdk(bool pci, const PacketPoolsOptions& options) {
  const absl::Status eal =
      InitEal({.memory = options.hugepages ? EalMemory::kHugePages : EalMemory::kOrdinaryPages,
               .memory_mb = EalMegabytes(options.memory_mb, options.hugepages),
               .pci = pci});
  if (!eal.ok()) return eal;
  for (int i = 0; i < options.workers; ++i) {
    auto pool = packet::DpdkPacketPool::Create(
        packet::DpdkPacketPool::Sized(Cat("worker", i), options.memory_mb / options.workers));
    if (!pool.ok()) return pool.status();
    dpdk_.push_back(pool->get());
    pools_.push_back(*std::move(pool));
  }
  return absl::OkStatus();
}

}  // namespace meltemi::nic
