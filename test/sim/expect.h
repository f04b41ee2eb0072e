// What must hold at the end of every simulation, as assertions shared by its tests.
#ifndef MELTEMI_TEST_SIM_EXPECT_H_
#define MELTEMI_TEST_SIM_EXPECT_H_

#include "gtest/gtest.h"
#include "test/sim/invariants.h"
#include "test/sim/world.h"

namespace meltemi::sim {

// After the last connection of the clients: pools let their idle connections go, and then nothing
// is left of the load anywhere.
inline void ExpectNothingLeft(World& world) {
  world.RunFor(Duration::Seconds(75));  // idle pooled connections, FIN-WAIT-2, TIME-WAIT
  EXPECT_EQ(Leftovers(world), "");
}

// Every TCP packet that IP has handed on was seen by exactly one worker's TCP: by the owner of its
// connection, after a mailbox or without.
inline void ExpectEverySegmentCameHome(World& world) {
  const worker::WorkerCounters total = world.plane().WorkerTotals();
  EXPECT_EQ(total.drop_peer_full, 0u);
  EXPECT_EQ(world.plane().IpTotals().segments, world.plane().TcpTotals().segments_in);
}

// A cluster of every server, by turns with its IPv4 and its IPv6 address.
inline ClusterSpec AllServers(World& world, std::string name = "all") {
  ClusterSpec cluster{.name = std::move(name)};
  for (int i = 0; i < world.server_count(); ++i) {
    cluster.endpoints.push_back(world.server_address(i, i % 2 == 1));
  }
  return cluster;
}
inline ConfigSpec OneCluster(World& world) {
  return {.clusters = {AllServers(world)}, .routes = {{.cluster = "all"}}};
}

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_EXPECT_H_
