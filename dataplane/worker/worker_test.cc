// Goal: what the worker itself decides: who owns a segment, what crosses between workers, what
// happens when there is no room, how ports come and go. Method: a plane of workers over memory
// ports, frames made by hand, turns one at a time.
#include "dataplane/worker/worker.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/worker/testing/worker_fixture.h"

namespace meltemi::worker {
namespace {

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
  EXPECT_FALSE(plane_->worker(1).InboxEmpty());

  // A turn takes so many from one peer, and no more.
  const auto seen = [&] { return plane_->worker(1).tcp().counters().segments_in; };
  const uint64_t first = seen();
  for (uint64_t turn = 1; turn <= limits::kMailboxSlots / limits::kPeerMailPerTurn; ++turn) {
    EXPECT_FALSE(plane_->worker(1).InboxEmpty());
    plane_->worker(1).Turn(now_);
    EXPECT_EQ(seen() - first, turn * limits::kPeerMailPerTurn);
  }
  EXPECT_TRUE(plane_->worker(1).InboxEmpty());
}

TEST_F(WorkerTest, PeerMailOfOneMoreThanATurnTakesWaitsForTheNext) {
  Start({.workers = 2});
  const uint16_t from = PortOwnedBy(1);
  for (int i = 0; i < limits::kPeerMailPerTurn + 1; ++i) {
    Send(from, wire::kTcpAck, 1, 1);
    plane_->worker(0).Turn(now_);
  }
  plane_->worker(1).Turn(now_);
  EXPECT_FALSE(plane_->worker(1).InboxEmpty());
  EXPECT_TRUE(plane_->worker(1).busy());
  plane_->worker(1).Turn(now_);
  EXPECT_TRUE(plane_->worker(1).InboxEmpty());
}

// Goal: what ARP tells the worker that receives from a port, the worker that owns the connection
// knows; and an ICMP error that reaches the wrong worker reaches the connection all the same.
TEST_F(WorkerTest, NeighboursAndIcmpErrorsReachTheOwner) {
  Start({.workers = 2});
  const uint16_t from = PortOwnedBy(0);
  Open(from, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  // Worker 0 wants to connect and asks for the server; the uplink's frames go to worker 1.
  AnswerArp();
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
                                                     "meltemi_udp", "meltemi_engine",
                                                     "meltemi_packet_pool"}));
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
