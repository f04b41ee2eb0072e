// Goal: whatever the wire does to packets, every request is answered once and with the right bytes,
// by one worker as by many, and a seed is one run. Method: worlds of virtual time, every reply
// verified by the client, every body by the server, every counter and packet accounted for.
#include <string>

#include "gtest/gtest.h"
#include "test/sim/config.h"
#include "test/sim/expect.h"
#include "test/sim/world.h"

namespace meltemi::sim {
namespace {

constexpr Duration kLimit = Duration::Seconds(900);

LinkOptions BadLink() {
  return {.loss_per_mille = 10,
          .duplicate_per_mille = 5,
          .corrupt_per_mille = 3,
          .reorder_per_mille = 20,
          .jitter = Duration::Micros(40)};
}

WorldOptions Lossy(int workers, uint64_t seed, uint64_t requests) {
  WorldOptions o;
  o.seed = seed;
  o.plane.workers = workers;
  o.load.request_count = requests / 2;
  o.load.connection_count = 32;
  o.server.service_time_max = Duration::Micros(300);
  o.pod_link = o.uplink = BadLink();
  return o;
}

// `streams`: of opaque TCP beside them, which have a record each.
void ExpectAllAnswered(World& world, uint64_t streams = 0) {
  EXPECT_EQ(world.Errors(), "");
  uint64_t asked = 0;
  for (int i = 0; i < world.client_count(); ++i) {
    asked += world.client(i).options().request_count;
    EXPECT_EQ(world.client(i).answered(200), world.client(i).options().request_count);
  }
  uint64_t served = 0;
  for (int i = 0; i < world.server_count(); ++i) {
    for (const auto& [id, times] : world.server(i).served()) {
      EXPECT_EQ(times, 1) << "request " << id << " reached " << world.server(i).name();
      ++served;
    }
  }
  EXPECT_EQ(served, asked);
  EXPECT_EQ(world.plane().EngineTotals().requests, asked);
  EXPECT_EQ(world.plane().EngineTotals().local_replies, 0u);
  EXPECT_EQ(world.plane().records().size(), asked + streams);
}

TEST(Sim, EveryRequestIsAnsweredOnceWithTheRightBytes) {
  World world(Lossy(2, 1, 10'000));
  ConfigMaker config;
  world.plane().Publish(config.Make(OneCluster(world)));
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  ExpectAllAnswered(world);
  // The wire was as bad as it was meant to be, and both workers had their part.
  const WireCounters& wire = world.wire().counters();
  EXPECT_GT(wire.lost, wire.frames / 200);
  EXPECT_GT(wire.corrupted, 50u);
  EXPECT_GT(wire.reordered, 1000u);
  for (int i = 0; i < 2; ++i)
    EXPECT_GT(world.plane().worker(i).engine().counters().requests, 3000u);
  EXPECT_GT(world.plane().TcpTotals().retransmits, 100u);
  ExpectNothingLeft(world);
  ExpectEverySegmentCameHome(world);
}

// The uplink is a NIC without offloads; turns take as long as 30 of its packets, so these come in
// bursts. What is damaged, lost or overtaken is merged no more than it must be.
TEST(Sim, BurstsOfAPlainNicAreMergedAndNothingIsWrong) {
  WorldOptions o = Lossy(2, 1, 300);
  o.plane.turn_time = Duration::Micros(40);
  o.load.shape.fixed = Plan{.reply_bytes = 100'000};
  World world(o);
  ConfigMaker config;
  world.plane().Publish(config.Make(OneCluster(world)));
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  ExpectAllAnswered(world);
  EXPECT_GT(world.wire().counters().corrupted, 20u);
  EXPECT_GT(world.plane().TcpTotals().drop_checksum, 20u);
  EXPECT_GT(world.plane().WorkerTotals().segments_merged, 1000u);
  ExpectNothingLeft(world);
  ExpectEverySegmentCameHome(world);
}

uint64_t TraceOf(uint64_t seed) {
  World world(Lossy(2, seed, 1000));
  ConfigMaker config;
  world.plane().Publish(config.Make(OneCluster(world)));
  EXPECT_TRUE(world.RunUntilClosed(kLimit));
  ExpectAllAnswered(world);
  return world.TraceHash();
}

TEST(Sim, HandshakesByCookieAloneServeAsWell) {
  // No half-open connection is ever kept: RFC 4987 3.6 from end to end.
  WorldOptions o;
  o.plane.workers = 2;
  o.plane.syn_queue_max = 0;
  o.load.request_count = 600;
  o.load.requests_per_connection = 3;
  World world(o);
  ConfigMaker config;
  world.plane().Publish(config.Make(OneCluster(world)));
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  ExpectAllAnswered(world);
  const tcp::TcpCounters tcp = world.plane().TcpTotals();
  EXPECT_GE(tcp.syn_cookies_in, 400u);
  EXPECT_EQ(tcp.syn_cookies_in, tcp.accepts);
  ExpectNothingLeft(world);
}

TEST(Sim, LittleMemoryIsSlowAndNotWrong) {
  // Each worker's connections may hold 64 KB together: windows are at their least all the time.
  WorldOptions o = Lossy(2, 5, 1000);
  o.plane.tcp_memory_bytes_max = 64 * 1024;
  World world(o);
  ConfigMaker config;
  world.plane().Publish(config.Make(OneCluster(world)));
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  ExpectAllAnswered(world);
  const tcp::TcpCounters tcp = world.plane().TcpTotals();
  EXPECT_GT(tcp.drop_memory_full + tcp.drop_out_of_order_memory, 0u);
  ExpectNothingLeft(world);
}

TEST(Sim, ASeedIsOneRun) {
  const uint64_t first = TraceOf(7);
  EXPECT_EQ(TraceOf(7), first);
  EXPECT_NE(TraceOf(8), first);
}

// What the clients got, by request: the status and the bytes; and by stream: how many bytes came,
// all of them verified, and how it ended. Not by whom: with more workers the balancers take other
// turns.
uint64_t RepliesOf(int workers, uint64_t seed) {
  WorldOptions o = Lossy(workers, seed, 600);
  o.stream_clients = 2;
  o.stream_servers = 1;
  o.streams.stream_count = 30;
  o.streams.connection_count = 8;
  World world(o);
  ConfigMaker config;
  ConfigSpec spec = OneCluster(world);
  spec.clusters.push_back(
      {.name = "streams",
       .endpoints = {world.stream_server_address(0), world.stream_server_address(0, true)}});
  spec.tcp = {{.port = kStreamPort, .cluster = "streams"}};
  world.plane().Publish(config.Make(spec));
  EXPECT_TRUE(world.RunUntilClosed(kLimit)) << workers << " workers";
  ExpectNothingLeft(world);
  ExpectAllAnswered(world, 60);
  uint64_t digest = 0;
  const auto add = [&digest](uint64_t value) { digest = digest * 0x100000001b3 + value; };
  for (int i = 0; i < world.client_count(); ++i) {
    for (const Outcome& r : world.client(i).outcomes()) {
      add(static_cast<uint64_t>(r.status) * 31 + r.body_sum);
    }
  }
  for (int i = 0; i < world.stream_client_count(); ++i) {
    for (const StreamOutcome& s : world.stream_client(i).outcomes()) {
      EXPECT_TRUE(s.whole) << s.received;
      add(s.received * 4 + s.whole * 2 + (s.error == tcp::TcpError::kNone));
    }
    EXPECT_EQ(world.stream_client(i).outcomes().size(), 30u);
  }
  EXPECT_EQ(world.stream_server(0).whole_count(), 60u);
  return digest;
}

TEST(Sim, AddingWorkersChangesNoReply) {
  for (const uint64_t seed : {3, 4, 5}) {
    const uint64_t one = RepliesOf(1, seed);
    for (const int workers : {2, 3, 4}) EXPECT_EQ(RepliesOf(workers, seed), one) << workers;
  }
}

// Goal: a connection and its upstream live on one worker, whichever worker a port's only queue, or
// a NIC's own hash, gives the packets to.
TEST(Sim, UpstreamRepliesComeHomeToTheOwnerOfTheDownstream) {
  for (const int uplink_queues : {1, 3}) {
    WorldOptions o;
    o.plane.workers = 3;
    o.uplink_rx_queues = uplink_queues;
    o.load.request_count = 600;
    o.load.requests_per_connection = 3;
    World world(o);
    ConfigMaker config;
    world.plane().Publish(config.Make(OneCluster(world)));
    ASSERT_TRUE(world.RunUntilClosed(kLimit));
    ExpectAllAnswered(world);
    // The servers saw the upstream connections: their 4-tuples name their owners.
    std::vector<uint64_t> owned(3);
    for (int i = 0; i < world.server_count(); ++i) {
      for (const FourTuple& t : world.server(i).accepted()) {
        ++owned[SymmetricHash(t.local, t.remote) % 3];
      }
    }
    for (int i = 0; i < 3; ++i) {
      const worker::Worker& w = world.plane().worker(i);
      EXPECT_GT(w.engine().counters().requests, 100u) << i;
      EXPECT_EQ(w.engine().counters().upstream_opened, owned[i]) << i;
      EXPECT_EQ(w.tcp().counters().connects, owned[i]) << i;
      EXPECT_EQ(w.tcp().counters().connect_failures, 0u) << i;
      // Only the first segment of a connection matches none: nothing else strayed here.
      EXPECT_EQ(w.tcp().counters().unmatched, w.tcp().counters().accepts) << i;
      EXPECT_GT(w.counters().segments_handed_over, 0u) << i;
    }
    ExpectNothingLeft(world);
    ExpectEverySegmentCameHome(world);
    // The replies of the servers behind the single queue: two thirds belong to other workers.
    const worker::WorkerCounters total = world.plane().WorkerTotals();
    EXPECT_GT(total.segments_handed_over * 10, world.plane().IpTotals().segments * 5);
    EXPECT_LT(total.segments_handed_over * 10, world.plane().IpTotals().segments * 8);
  }
}

// A world drawn from its seed: workers, wires, rings, offloads, pipelining, servers that close.
WorldOptions Drawn(uint64_t seed) {
  Prng prng(seed);
  WorldOptions o = Lossy(1 + static_cast<int>(prng.Below(4)), seed, 700);
  for (LinkOptions* link : {&o.pod_link, &o.uplink}) {
    link->loss_per_mille = static_cast<int>(prng.Below(40));
    link->duplicate_per_mille = static_cast<int>(prng.Below(30));
    link->corrupt_per_mille = static_cast<int>(prng.Below(10));
    link->reorder_per_mille = static_cast<int>(prng.Below(100));
    link->delay = Duration::Micros(1 + static_cast<int64_t>(prng.Below(3000)));
    link->jitter = Duration::Micros(static_cast<int64_t>(prng.Below(500)));
    if (prng.Chance(1, 3)) link->bytes_per_second = 2'000'000;
  }
  o.pod_offload = prng.Chance(1, 2);
  o.ipv6 = prng.Chance(2, 3);
  o.tx_ring_frames = prng.Chance(1, 3) ? 8 : 1024;
  o.uplink_rx_queues = prng.Chance(1, 2) ? o.plane.workers : 1;
  o.load.connection_count = 1 + static_cast<int>(prng.Below(60));
  o.load.requests_per_connection = 1 + static_cast<int>(prng.Below(20));
  o.load.think_max = Duration::Millis(static_cast<int64_t>(prng.Below(5)));
  if (prng.Chance(1, 2)) {
    o.load.pipeline_max = 1 + static_cast<int>(prng.Below(6));
  } else {
    o.server.close_every = static_cast<int>(prng.Below(10));
  }
  o.server.service_time_max = Duration::Micros(static_cast<int64_t>(prng.Below(4000)));
  o.plane.turn_time = Duration::Micros(1 + static_cast<int64_t>(prng.Below(50)));
  return o;
}

class SimSeeds : public ::testing::TestWithParam<uint64_t> {};

TEST_P(SimSeeds, DrawnWorldLosesNothing) {
  World world(Drawn(GetParam()));
  ConfigMaker config;
  world.plane().Publish(config.Make(OneCluster(world)));
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  ExpectAllAnswered(world);
  ExpectNothingLeft(world);
  ExpectEverySegmentCameHome(world);
}

INSTANTIATE_TEST_SUITE_P(Drawn, SimSeeds,
                         ::testing::Values(1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233));

}  // namespace
}  // namespace meltemi::sim
