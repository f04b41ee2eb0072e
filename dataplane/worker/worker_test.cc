// Goal: what the worker itself decides: who owns a segment, what crosses between workers, what
// happens when there is no room, how ports come and go. Method: a plane of workers over memory
// ports, frames made by hand, turns one at a time.
#include "dataplane/worker/worker.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/wire/builders.h"
#include "dataplane/worker/testing/memory_port.h"
#include "gtest/gtest.h"
#include "test/sim/config.h"
#include "test/sim/plane.h"

namespace meltemi::worker {
namespace {

constexpr ip::PortId kPod = 0;     // received by worker 0
constexpr ip::PortId kUplink = 1;  // by worker 1, when there are two
const IpAddr kClient = *IpAddr::Parse("10.1.0.11");
const IpAddr kGateway = *IpAddr::Parse("10.1.0.1");
const IpAddr kServer = *IpAddr::Parse("172.16.0.11");
const IpAddr kUplinkOwn = *IpAddr::Parse("172.16.0.1");
const SockAddr kService{*IpAddr::Parse("10.96.0.1"), 80};

nic::MacAddr PlaneMac(ip::PortId id) { return {2, 0, 0, 0, 0, static_cast<uint8_t>(id)}; }
nic::MacAddr FarMac(ip::PortId id) { return {2, 0, 0, 0, 1, static_cast<uint8_t>(id)}; }

// An IPv4 TCP frame, taken apart.
struct TcpFrame {
  SockAddr source, destination;
  uint32_t sequence, acknowledgment;
  uint8_t flags;
  std::string payload, ip_packet;
};

std::optional<TcpFrame> ParseTcp(const std::string& frame) {
  const auto* p = reinterpret_cast<const uint8_t*>(frame.data());
  if (frame.size() < 54 || wire::Load16(p + 12) != wire::kEtherIpv4 || p[23] != 6) return {};
  const size_t end = 14u + wire::Load16(p + 16);
  const size_t text = 34u + (p[46] >> 4) * 4u;
  return TcpFrame{{IpAddr::V4(p + 26), wire::Load16(p + 34)},
                  {IpAddr::V4(p + 30), wire::Load16(p + 36)},
                  wire::Load32(p + 38),
                  wire::Load32(p + 42),
                  p[47],
                  frame.substr(text, end - text),
                  frame.substr(14, end - 14)};
}

class WorkerTest : public ::testing::Test {
 protected:
  void Start(const sim::PlaneOptions& options, const MemoryPortOptions& port = {}) {
    pod_ = std::make_unique<MemoryPort>(port);
    uplink_ = std::make_unique<MemoryPort>(port);
    plane_ = std::make_unique<sim::Plane>(options, now_);
    workload_ = {.name = "client", .addresses = {kClient}};
    sim::PlanePort pod{.name = "pod", .port = pod_.get(), .workload = &workload_};
    pod.ip = {.kind = ip::PortKind::kPod,
              .mac = PlaneMac(kPod),
              .addresses = {*IpPrefix::Parse("10.1.0.0/24")},
              .own = {kGateway},
              .pod_addresses = {kClient}};
    sim::PlanePort uplink{.name = "uplink", .port = uplink_.get()};
    uplink.ip = {.kind = ip::PortKind::kUplink,
                 .mac = PlaneMac(kUplink),
                 .addresses = {*IpPrefix::Parse("172.16.0.0/24")},
                 .own = {kUplinkOwn}};
    plane_->AddPort(pod);
    plane_->AddPort(uplink);
    plane_->SetRoutes({{.prefix = *IpPrefix::Parse("10.1.0.11/32"), .port = kPod},
                       {.prefix = *IpPrefix::Parse("172.16.0.0/24"), .port = kUplink}});
    UseEndpoint({kServer, 8080});
    Turn();
    // The pod says who it is; what one worker hears of it, all know a turn later.
    Put(kPod, wire::Arp({.operation = wire::kArpRequest,
                         .sender_mac = FarMac(kPod),
                         .sender_ip = kClient,
                         .target_ip = kGateway}));
    Turn();
    Take(kPod);
    Take(kUplink);
  }

  void UseEndpoint(const SockAddr& endpoint) {
    plane_->Publish(config_.Make(
        {.clusters = {{.name = "c", .endpoints = {endpoint}}}, .routes = {{.cluster = "c"}}}));
  }
  // Some turns of every worker, a little time between them.
  void Turn(int rounds = 4) {
    for (int i = 0; i < rounds; ++i, now_ = now_ + Duration::Micros(10)) {
      for (int w = 0; w < plane_->workers(); ++w) plane_->worker(w).Turn(now_);
    }
  }
  MemoryPort& port(ip::PortId id) { return id == kPod ? *pod_ : *uplink_; }
  bool Put(ip::PortId id, const std::string& packet) {
    return port(id).Put(
        0, wire::Ethernet({.destination = PlaneMac(id), .source = FarMac(id)}, packet));
  }
  std::vector<std::string> Take(ip::PortId id) {
    std::vector<std::string> frames;
    for (FramePtr& frame : port(id).sent()) frames.push_back(std::move(frame->bytes));
    port(id).sent().clear();
    return frames;
  }
  std::vector<TcpFrame> TakeTcp(ip::PortId id) {
    std::vector<TcpFrame> found;
    for (const std::string& frame : Take(id)) {
      if (auto tcp = ParseTcp(frame)) found.push_back(*tcp);
    }
    return found;
  }
  // A source port of the client whose connection to the service the worker owns.
  uint16_t PortOwnedBy(int owner, int nth = 0) {
    for (uint16_t p = 20'000;; ++p) {
      const bool mine = static_cast<int>(SymmetricHash({kClient, p}, kService) %
                                         static_cast<uint32_t>(plane_->workers())) == owner;
      if (mine && nth-- == 0) return p;
    }
  }
  void Send(uint16_t from, uint8_t flags, uint32_t sequence, uint32_t acknowledgment,
            std::string payload = "") {
    Put(kPod, wire::Ip({.source = kClient, .destination = kService.ip},
                       wire::Tcp({.source_port = from,
                                  .destination_port = kService.port,
                                  .sequence = sequence,
                                  .acknowledgment = acknowledgment,
                                  .flags = flags,
                                  .payload = std::move(payload)})));
  }
  // Handshake, with the first data on the third segment. What the plane has answered in the end.
  std::vector<TcpFrame> Open(uint16_t from, std::string payload = "") {
    Send(from, wire::kTcpSyn, 1000, 0);
    Turn();
    const std::vector<TcpFrame> answer = TakeTcp(kPod);
    EXPECT_EQ(answer.size(), 1u);
    if (answer.size() != 1) return {};
    EXPECT_EQ(answer[0].flags, wire::kTcpSyn | wire::kTcpAck);
    Send(from, wire::kTcpAck, 1001, answer[0].sequence + 1, std::move(payload));
    Turn();
    return TakeTcp(kPod);
  }

  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::unique_ptr<MemoryPort> pod_, uplink_;
  config::Workload workload_;
  sim::ConfigMaker config_;
  std::unique_ptr<sim::Plane> plane_;
};

TEST_F(WorkerTest, SegmentGoesToTheWorkerItsHashNames) {
  Start({.workers = 2});
  for (const int owner : {0, 1}) {
    const uint64_t before = plane_->worker(0).counters().segments_handed_over;
    Send(PortOwnedBy(owner), wire::kTcpSyn, 1000, 0);
    Turn();
    EXPECT_EQ(plane_->worker(0).counters().segments_handed_over - before,
              static_cast<uint64_t>(owner));
    EXPECT_EQ(plane_->worker(owner).tcp().conn_count(), 1u);
    const std::vector<TcpFrame> answer = TakeTcp(kPod);  // whoever owns it answers by its port
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].flags, wire::kTcpSyn | wire::kTcpAck);
  }
}

TEST_F(WorkerTest, OneWorkerHandsNothingOver) {
  Start({.workers = 1});
  for (uint16_t p = 20'000; p < 20'020; ++p) Send(p, wire::kTcpSyn, 1000, 0);
  Turn();
  EXPECT_EQ(plane_->worker(0).counters().segments_handed_over, 0u);
  EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 20u);
}

// Method: worker 1 does not turn, so that what worker 0 hands over waits: one below the mailbox's
// bound, at it, and one above.
TEST_F(WorkerTest, FullMailboxDropsAndCounts) {
  Start({.workers = 2});
  const uint16_t from = PortOwnedBy(1);
  const int64_t before = plane_->packets_outstanding();
  const auto hand_over = [&](size_t count) {
    for (; count > 0; --count) {
      Send(from, wire::kTcpAck, 1, 1);
      plane_->worker(0).Turn(now_);
    }
  };
  hand_over(limits::kMailboxSlots - 1);
  EXPECT_EQ(plane_->worker(0).counters().drop_peer_full, 0u);
  hand_over(1);
  EXPECT_EQ(plane_->worker(0).counters().drop_peer_full, 0u);
  hand_over(1);
  EXPECT_EQ(plane_->worker(0).counters().drop_peer_full, 1u);
  EXPECT_EQ(plane_->worker(0).counters().segments_handed_over, limits::kMailboxSlots);
  EXPECT_EQ(plane_->packets_outstanding() - before, static_cast<int64_t>(limits::kMailboxSlots));
  EXPECT_FALSE(plane_->worker(1).PeersEmpty());

  // A turn takes so many from one peer, and no more.
  const auto seen = [&] { return plane_->worker(1).tcp().counters().segments_in; };
  const uint64_t first = seen();
  for (uint64_t turn = 1; turn <= limits::kMailboxSlots / limits::kPeerMailPerTurn; ++turn) {
    EXPECT_FALSE(plane_->worker(1).PeersEmpty());
    plane_->worker(1).Turn(now_);
    EXPECT_EQ(seen() - first, turn * limits::kPeerMailPerTurn);
  }
  EXPECT_TRUE(plane_->worker(1).PeersEmpty());
}

TEST_F(WorkerTest, PeerMailOfOneMoreThanATurnTakesWaitsForTheNext) {
  Start({.workers = 2});
  const uint16_t from = PortOwnedBy(1);
  for (int i = 0; i < limits::kPeerMailPerTurn + 1; ++i) {
    Send(from, wire::kTcpAck, 1, 1);
    plane_->worker(0).Turn(now_);
  }
  plane_->worker(1).Turn(now_);
  EXPECT_FALSE(plane_->worker(1).PeersEmpty());
  EXPECT_TRUE(plane_->worker(1).busy());
  plane_->worker(1).Turn(now_);
  EXPECT_TRUE(plane_->worker(1).PeersEmpty());
}

// Goal: what ARP tells the worker that receives from a port, the worker that owns the connection
// knows; and an ICMP error that reaches the wrong worker reaches the connection all the same.
TEST_F(WorkerTest, NeighboursAndIcmpErrorsReachTheOwner) {
  Start({.workers = 2});
  const uint16_t from = PortOwnedBy(0);
  Open(from, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  // Worker 0 wants to connect and asks for the server; the uplink's frames go to worker 1.
  Put(kUplink, wire::Arp({.operation = wire::kArpReply,
                          .sender_mac = FarMac(kUplink),
                          .sender_ip = kServer,
                          .target_mac = PlaneMac(kUplink),
                          .target_ip = kUplinkOwn}));
  Turn();
  const std::vector<TcpFrame> syn = TakeTcp(kUplink);
  ASSERT_EQ(syn.size(), 1u);
  EXPECT_EQ(syn[0].flags, wire::kTcpSyn);
  EXPECT_EQ(SymmetricHash(syn[0].source, syn[0].destination) % 2, 0u);
  EXPECT_EQ(plane_->worker(1).tcp().conn_count(), 0u);

  Put(kUplink,
      wire::Ip({.source = kServer, .destination = kUplinkOwn},
               wire::Icmp({.type = 3, .code = 1, .payload = syn[0].ip_packet.substr(0, 28)})));
  Turn();
  EXPECT_EQ(plane_->worker(1).ip().counters().icmp_errors_in, 1u);
  EXPECT_EQ(plane_->worker(0).tcp().counters().icmp_hard_errors, 1u);
  const std::vector<TcpFrame> reply = TakeTcp(kPod);
  ASSERT_FALSE(reply.empty());
  EXPECT_EQ(reply.back().payload.substr(0, 12), "HTTP/1.1 503");
}

TEST_F(WorkerTest, ConnectionsBeyondTheEnginesBoundAreReset) {
  Start({.workers = 1, .l7_conn_count_max = 3});
  for (int nth = 0; nth < 3; ++nth) {
    EXPECT_TRUE(Open(PortOwnedBy(0, nth)).empty()) << nth;
    EXPECT_EQ(plane_->worker(0).counters().refused_full, 0u);
  }
  const std::vector<TcpFrame> answer = Open(PortOwnedBy(0, 3));
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_NE(answer[0].flags & wire::kTcpRst, 0);
  EXPECT_EQ(plane_->worker(0).counters().refused_full, 1u);
  EXPECT_EQ(plane_->worker(0).engine().conn_count(), 3u);
  EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 3u);
}

TEST_F(WorkerTest, UpstreamWithoutRouteIsCountedAndAnswered503) {
  Start({.workers = 2});
  UseEndpoint({*IpAddr::Parse("203.0.113.9"), 8080});
  Turn();
  const std::vector<TcpFrame> reply = Open(PortOwnedBy(1), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_EQ(plane_->worker(1).counters().connect_no_route, 1u);
  ASSERT_FALSE(reply.empty());
  EXPECT_EQ(reply.back().payload.substr(0, 12), "HTTP/1.1 503");
}

// Goal: a port that goes takes what waits for it, and its own connections; it can come back.
TEST_F(WorkerTest, DetachedPortEndsItsConnectionsAndAttachesAgain) {
  Start({.workers = 2});
  const int64_t before = plane_->packets_outstanding();
  EXPECT_TRUE(Open(PortOwnedBy(0)).empty());
  EXPECT_TRUE(Open(PortOwnedBy(1)).empty());
  EXPECT_EQ(plane_->l7_connections(), 2u);
  plane_->Detach(kPod);
  Turn();
  plane_->Run(now_);
  EXPECT_TRUE(plane_->detached(kPod));
  EXPECT_EQ(plane_->l7_connections(), 0u);
  EXPECT_EQ(plane_->tcp_connections(), 0u);
  EXPECT_EQ(pod_->let_go_count(), 1);
  EXPECT_EQ(plane_->packets_outstanding(), before);
  Send(PortOwnedBy(0), wire::kTcpSyn, 1000, 0);
  Turn();
  EXPECT_EQ(pod_->waiting(0), 1u);  // nobody receives from it

  plane_->Attach(kPod);
  Turn();
  Put(kPod, wire::Arp({.operation = wire::kArpRequest,
                       .sender_mac = FarMac(kPod),
                       .sender_ip = kClient,
                       .target_ip = kGateway}));
  Turn();
  EXPECT_EQ(plane_->tcp_connections(), 1u);
}

// A worker without ports or peers, spoken to by mail.
struct LoneWorker {
  LoneWorker(size_t slots, Instant now)
      : mail{slots},
        worker({},
               {.pool = &pool,
                .snapshots = &snapshots,
                .mail_in = &mail,
                .mail_out = &out,
                .peers = {nullptr},
                .from_peers = {nullptr}},
               now) {}
  MailIn mail;
  MailOut out;
  packet::HeapPacketPool pool;
  shared::SnapshotSlot snapshots{1};
  Worker worker;
};

TEST_F(WorkerTest, DetachOfAPortNobodyKnowsIsAnswered) {
  LoneWorker lone(64, now_);
  lone.mail.Push(DetachPort{7});
  lone.worker.Turn(now_);
  Reply reply;
  ASSERT_TRUE(lone.out.replies.Pop(&reply));
  ASSERT_TRUE(std::holds_alternative<PortReleased>(reply));
  EXPECT_EQ(std::get<PortReleased>(reply).id, 7);
  lone.mail.Push(StopWorker{});
  EXPECT_FALSE(lone.worker.stopped());
  lone.worker.Turn(now_);
  EXPECT_TRUE(lone.worker.stopped());
}

TEST_F(WorkerTest, MailIsReadSoManyMessagesATurn) {
  LoneWorker lone(limits::kMailboxSlots, now_);
  for (int i = 0; i < limits::kMailPerTurn + 1; ++i) lone.mail.Push(SetRoutes{});
  lone.worker.Turn(now_);
  EXPECT_EQ(lone.worker.counters().mail_read, static_cast<uint64_t>(limits::kMailPerTurn));
  lone.worker.Turn(now_);
  EXPECT_EQ(lone.worker.counters().mail_read, static_cast<uint64_t>(limits::kMailPerTurn) + 1);
}

TEST_F(WorkerTest, ReportHasEveryTableOfTheWorker) {
  LoneWorker lone(64, now_);
  lone.worker.Turn(now_);
  lone.mail.Push(WantStats{std::make_unique<StatsReport>()});
  lone.worker.Turn(now_);
  Reply reply;
  ASSERT_TRUE(lone.out.replies.Pop(&reply));
  const StatsReport& report = *std::get<StatsFilled>(reply).report;
  std::vector<std::string_view> prefixes;
  for (const auto& [prefix, values] : report.tables) {
    prefixes.push_back(prefix);
    EXPECT_FALSE(values.empty()) << prefix;
  }
  EXPECT_EQ(prefixes, (std::vector<std::string_view>{"meltemi_worker", "meltemi_ip", "meltemi_tcp",
                                                     "meltemi_engine", "meltemi_packet_pool"}));
  EXPECT_EQ(report.tables[0].second[0], 1u);  // turns
  EXPECT_EQ(report.packets_outstanding, 0);
}

// A port that takes nothing keeps so many packets waiting, and the rest is dropped, counted.
TEST_F(WorkerTest, QueueOfAFullPortIsBounded) {
  Start({.workers = 1});
  packet::HeapPacketPool pool;
  TimerWheel timers(now_);
  Prng prng(1);
  ip::Ip ip(&pool, &timers, &prng);
  ip.AddPort(0, {});
  MemoryPort full({.tx_ring_frames = 0});
  PortSet ports;
  ports.Attach({.id = 0, .port = &full});
  WorkerCounters counters;
  for (packet::Packet* p : ip.tx(0)) pool.Free(p);
  ip.tx(0).clear();
  for (size_t i = 0; i < PortSet::kTxQueueMax - 1; ++i) ip.tx(0).push_back(pool.Alloc());
  for (const uint64_t dropped : {0, 0, 1, 2}) {  // n - 1, n, n + 1, and again
    EXPECT_FALSE(ports.TxBurst(&ip, &pool, &counters));
    EXPECT_EQ(counters.drop_port_full, dropped);
    EXPECT_LE(ip.tx(0).size(), PortSet::kTxQueueMax);
    EXPECT_TRUE(ports.AnyTxWaiting(&ip));
    ip.tx(0).push_back(pool.Alloc());
  }
  ports.Detach(0, &ip, &pool);
  EXPECT_EQ(pool.outstanding(), 0);
  EXPECT_EQ(full.let_go_count(), 0);  // nobody received from it
}

// A port with an event descriptor that has been quiet is left alone until it is marked.
TEST_F(WorkerTest, QuietPortIsReceivedFromOnlyWhenMarked) {
  packet::HeapPacketPool pool;
  TimerWheel timers(now_);
  Prng prng(1);
  ip::Ip ip(&pool, &timers, &prng);
  MemoryPort wakes({.event_fd = 1});
  PortSet ports;
  ports.Attach({.id = 0, .port = &wakes, .rx_queue = 0});
  std::vector<ip::RxPacket> got;
  const auto receive = [&] {
    wakes.Put(0, std::string(60, 'x'));
    ports.RxBurst(&pool, now_, &got);
    const size_t n = got.size();
    for (const ip::RxPacket& p : got) pool.Free(p.packet);
    got.clear();
    return n;
  };
  EXPECT_EQ(receive(), 1u);
  now_ = now_ + PortSet::kHotSpan;
  ports.RxBurst(&pool, now_, &got);  // quiet, but not for longer than the span
  EXPECT_EQ(receive(), 1u);
  now_ = now_ + PortSet::kHotSpan + Duration::Nanos(1);
  ports.RxBurst(&pool, now_, &got);
  EXPECT_EQ(receive(), 0u);
  EXPECT_EQ(wakes.let_go_count(), 1) << "a quiet port keeps no packets to receive into";
  EXPECT_EQ(wakes.waiting(0), 1u);
  ports.MarkHot(0, now_);
  EXPECT_EQ(receive(), 2u);
  ports.MarkHot(7, now_);  // no such port
  ports.Detach(0, &ip, &pool);
  EXPECT_EQ(wakes.let_go_count(), 2);
  EXPECT_EQ(pool.outstanding(), 0);
}

}  // namespace
}  // namespace meltemi::worker
