// What a packet costs from one port to another of its kind, both ends on this core: 128 bytes, in
// bursts of 32. veth and tap need root, and make a network namespace of their own.
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "benchmark/benchmark.h"
#include "dataplane/nic/dpdk_eal.h"
#include "dataplane/nic/make_port.h"
#include "dataplane/packet/dpdk_pool.h"
#include "l7/base/check.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

using packet::Packet;

constexpr int kBurst = 32;
constexpr int kPollsMax = 1'000'000;  // bounds every wait

// EAL starts once in a process.
packet::DpdkPacketPool* Pool() {
  static const std::unique_ptr<packet::DpdkPacketPool> pool = [] {
    CHECK(nic::InitEal({.memory_mb = 64}).ok());
    return *packet::DpdkPacketPool::Create(
        {.name = "micro", .small_count = 4095, .large_count = 127, .header_count = 1023});
  }();
  return pool.get();
}

std::unique_ptr<nic::Port> Open(const std::string& device, const std::string& name) {
  auto port = nic::MakePort(device, {.name = name, .workers = 1, .pools = {Pool()}});
  if (!port.ok()) return nullptr;
  return *std::move(port);
}

int Receive(nic::Port& port) {
  std::array<Packet*, kBurst> burst;
  const int n = port.RxBurst(0, *Pool(), burst);
  for (int i = 0; i < n; ++i) Pool()->Free(burst[i]);
  return n;
}

// A burst over the wire. False: not all of it came.
bool CrossOnce(nic::Port& from, nic::Port& to) {
  std::array<Packet*, kBurst> burst;
  for (Packet*& p : burst) {
    p = Pool()->Alloc();
    uint8_t* data = packet::Append(p, 128);
    std::memset(data, 0xff, 14);
    data[12] = 0x88;  // an EtherType the kernel has no use for: local experimental, 0x88b5
    data[13] = 0xb5;
  }
  for (int sent = 0, polls = 0; sent < kBurst && polls < kPollsMax; ++polls) {
    sent += from.TxBurst(0, *Pool(), std::span(burst).subspan(sent));
  }
  int got = 0;
  for (int polls = 0; got < kBurst && polls < kPollsMax; ++polls) got += Receive(to);
  return got == kBurst;
}

void Cross(benchmark::State& state, const std::string& from_device, const std::string& to_device) {
  // The one that serves first.
  std::unique_ptr<nic::Port> to = Open(to_device, "to");
  std::unique_ptr<nic::Port> from = Open(from_device, "from");
  if (from == nullptr || to == nullptr) return state.SkipWithError("the ports cannot be made here");
  for (int i = 0; i < kPollsMax &&
                  (from->state() != nic::PortState::kUp || to->state() != nic::PortState::kUp);
       ++i) {
    Receive(*from);
    Receive(*to);
  }
  while (Receive(*to) > 0) {
  }
  for (auto _ : state) {
    if (!CrossOnce(*from, *to)) {
      state.SkipWithError("packets were lost");
      break;
    }
  }
  state.counters["per_packet"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kBurst,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  for (nic::Port* port : {from.get(), to.get()}) {
    port->LetGo(0, *Pool());
    port->Close();
  }
}

void CrossRing(benchmark::State& state) { Cross(state, "ring:micro", "ring:micro"); }
BENCHMARK(CrossRing);

void CrossVhostUser(benchmark::State& state) {
  const std::string path = Cat("/tmp/meltemi-micro-", getpid(), ".sock");
  Cross(state, Cat("virtio:", path), Cat("vhost:", path));
  unlink(path.c_str());
}
BENCHMARK(CrossVhostUser)->Iterations(20'000);

// Both ends of one veth, no machine behind either.
void CrossVeth(benchmark::State& state) {
  if (unshare(CLONE_NEWNET) != 0) return state.SkipWithError("needs root");
  const char* make =
      "ip link add m0 type veth peer name m1 && sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && "
      "ip link set m0 up && ip link set m1 up";
  if (std::system(make) != 0) return state.SkipWithError("ip failed");
  Cross(state, "veth:m0", "veth:m1");
}
BENCHMARK(CrossVeth)->Iterations(2000);

}  // namespace
}  // namespace meltemi
