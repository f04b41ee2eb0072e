#include "test/sim/invariants.h"

#include <array>
#include <string_view>

#include "l7/base/check.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "test/sim/node.h"
#include "test/sim/world.h"

namespace meltemi::sim {
namespace {

bool IsDrop(std::string_view name) { return name.starts_with("drop_"); }

// Which of the table are drops: asked after every turn.
template <typename Counters>
uint64_t SumOfDrops(const Counters& counters) {
  static constexpr auto kDrop = [] {
    std::array<bool, Counters::kTable.size()> drop{};
    for (size_t i = 0; i < drop.size(); ++i) {
      drop[i] = Counters::kTable[i].name.starts_with("drop_");
    }
    return drop;
  }();
  uint64_t sum = 0;
  for (size_t i = 0; i < kDrop.size(); ++i) sum += kDrop[i] ? counters.Values()[i] : 0;
  return sum;
}

template <typename Counters>
void AppendDrops(const Counters& counters, const std::string& expected, std::string* out) {
  for (size_t i = 0; i < Counters::kTable.size(); ++i) {
    const std::string_view name = Counters::kTable[i].name;
    const uint64_t value = counters.Values()[i];
    if (value == 0 || !IsDrop(name)) continue;
    if ((" " + expected + " ").find(Cat(" ", name, " ")) != std::string::npos) continue;
    AppendTo(out, out->empty() ? "" : " ", Counters::kPrefix, "_", name, "=", value);
  }
}

}  // namespace

void CheckTurn(const worker::Worker& worker) {
  worker.tcp().CheckInvariants();
  const ip::IpCounters& c = worker.ip().counters();
  CHECK(c.rx_packets + c.segments_returned + c.tcp_out + c.originated + c.fragments_made +
            c.reassembled ==
        c.segments + c.transmitted + c.consumed + c.fragmented + c.fragments_joined +
            worker.ip().pending_packets() + worker.ip().held_fragments() + SumOfDrops(c));
}

int64_t PacketsMax(Node& node, uint32_t segment_bytes) {
  Plane& plane = node.plane();
  const int64_t connections = plane.tcp_connections();
  // TCP's queues have one bound, but each connection its least window and send queue, what L7 wrote
  // before it was told to stop, and what is on its way in a turn.
  const int64_t least = limits::kTcpReceiveWindowBytesMin + 2 * limits::kTcpSendQueueBytesMin;
  const int64_t per_connection =
      least / segment_bytes + limits::kTcpOutOfOrderSegments + limits::kTcpSegmentsPerConnPerTurn;
  const int64_t workers = plane.workers();
  const auto memory = static_cast<int64_t>(plane.options().tcp_memory_bytes_max);
  const int64_t mailboxes = workers * (workers - 1) * static_cast<int64_t>(limits::kMailboxSlots);
  const auto ports = static_cast<int64_t>(node.port_count());
  return workers * memory / segment_bytes + connections * per_connection + mailboxes +
         workers * ports * static_cast<int64_t>(limits::kPortTxQueuePackets) +
         workers * limits::kNeighbourPendingPackets * 4;
}

std::string Drops(Node& node, const std::string& expected) {
  std::string out;
  AppendDrops(node.plane().IpTotals(), expected, &out);
  AppendDrops(node.plane().TcpTotals(), expected, &out);
  AppendDrops(node.plane().WorkerTotals(), expected, &out);
  return out;
}

std::string Leftovers(World& world) {
  std::string out;
  const auto expect_none = [&out](int64_t count, const std::string& what) {
    if (count != 0) AppendTo(&out, out.empty() ? "" : ", ", count, " ", what);
  };
  for (int i = 0; i < world.node_count(); ++i) {
    Plane& plane = world.plane(i);
    const std::string of = Cat(" of node ", i);
    expect_none(plane.l7_connections(), "L7 connections" + of);
    expect_none(plane.exchanges(), "exchanges" + of);
    expect_none(plane.tcp_connections(), "TCP connections" + of);
    expect_none(plane.packets_outstanding(), "packets" + of);
    const auto kept = static_cast<int64_t>(plane.KeptSnapshots());
    expect_none(kept > 1 ? kept - 1 : 0, "old snapshots" + of);
  }
  for (int i = 0; i < world.machine_count(); ++i) {
    Host& host = world.machine_host(i);
    if (!host.running()) continue;
    expect_none(host.tcp().conn_count(), "TCP connections of " + host.options().name);
    expect_none(host.pool().outstanding(), "packets of " + host.options().name);
  }
  return out;
}

}  // namespace meltemi::sim
