// Goal: a client that waits for its server is taken as plain when the time for its first bytes is
// over, and not before; where the configuration does not say so it is let go. Method: a listener of
// two chains before a server of opaque TCP, clients that say nothing, or not enough to tell.
#include "dataplane/worker/testing/worker_fixture.h"

namespace meltemi::worker {
namespace {

constexpr Duration kTick = Duration::Nanos(1 << 16);  // of the timer wheel: as late as it may be

class SniffTest : public WorkerTest {
 protected:
  // Its listener 1 is of what comes with TLS, 2 of what comes plain.
  void Listen(Duration timeout, bool go_on) {
    auto snapshot = config_.Make({.clusters = {{.name = "c", .endpoints = {{kServer, 8080}}}},
                                  .routes = {{.cluster = "c"}},
                                  .chains = true});
    config::TcpProxy& proxy = snapshot->listeners[2].filter.emplace<config::TcpProxy>();
    proxy.clusters = {{.cluster = 0, .weight = 1, .name = "c"}};
    proxy.total_weight = 1;
    snapshot->listeners[0].sniff_timeout = timeout;
    snapshot->listeners[0].plain_after_timeout = go_on;
    plane_->Publish(std::move(snapshot));
    Turn();
  }
  // What the plane has sent to `id` by turns at the time: before the timer may fire, or after it
  // must have.
  std::vector<TcpFrame> At(Instant time, ip::PortId id) {
    now_ = time;
    for (int i = 0; i < 3; ++i) plane_->worker(0).Turn(now_);
    return TakeTcp(id);
  }
  const WorkerCounters& counters() { return plane_->worker(0).counters(); }
};

TEST_F(SniffTest, ServersThatSpeakFirstAreHeardWhenTheTimeIsOver) {
  for (const std::string first : {"", "\x16", "\x16\x03\x01\x02"}) {
    SCOPED_TRACE(first.size());
    Start({.workers = 1});
    Listen(Duration::Seconds(5), true);
    const Instant accepted = now_;
    EXPECT_TRUE(Open(PortOwnedBy(0), first).empty() || !first.empty());
    EXPECT_TRUE(At(accepted + Duration::Seconds(5) - Duration::Nanos(1), kUplink).empty());
    EXPECT_EQ(counters().sniff_continued, 0u);

    Put(kUplink, wire::Arp({.operation = wire::kArpRequest,
                            .sender_mac = FarMac(kUplink),
                            .sender_ip = kServer,
                            .target_ip = kUplinkOwn}));
    const std::vector<TcpFrame> syn =
        At(accepted + Duration::Seconds(5) + Duration::Millis(1) + kTick, kUplink);
    ASSERT_EQ(syn.size(), 1u);
    EXPECT_EQ(syn[0].flags & wire::kTcpSyn, wire::kTcpSyn);
    EXPECT_EQ(counters().sniff_continued, 1u);
    EXPECT_EQ(counters().sniff_timeouts, 0u);
    TakeTcp(kPod);

    const auto reply = [&](uint8_t flags, uint32_t sequence, std::string payload) {
      Put(kUplink, wire::Ip({.source = kServer, .destination = syn[0].source.ip},
                            wire::Tcp({.source_port = 8080,
                                       .destination_port = syn[0].source.port,
                                       .sequence = sequence,
                                       .acknowledgment = syn[0].sequence + 1,
                                       .flags = flags,
                                       .payload = std::move(payload)})));
      Turn();
    };
    reply(wire::kTcpSyn | wire::kTcpAck, 7000, "");
    std::string went;
    for (const TcpFrame& frame : TakeTcp(kUplink)) went += frame.payload;
    EXPECT_EQ(went, first);
    reply(wire::kTcpAck, 7001, "220 smtp.test\r\n");
    std::string came;
    for (const TcpFrame& frame : TakeTcp(kPod)) came += frame.payload;
    EXPECT_EQ(came, "220 smtp.test\r\n");
  }
}

TEST_F(SniffTest, ElseTheClientIsLetGo) {
  Start({.workers = 1});
  Listen(Duration::Seconds(5), false);
  const Instant accepted = now_;
  (void)Open(PortOwnedBy(0), "\x16");
  EXPECT_TRUE(At(accepted + Duration::Seconds(5) - Duration::Nanos(1), kPod).empty());
  EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 1u);
  const std::vector<TcpFrame> reset =
      At(accepted + Duration::Seconds(5) + Duration::Millis(1) + kTick, kPod);
  ASSERT_EQ(reset.size(), 1u);
  EXPECT_EQ(reset[0].flags & wire::kTcpRst, wire::kTcpRst);
  EXPECT_EQ(counters().sniff_timeouts, 1u);
  EXPECT_EQ(counters().sniff_continued, 0u);
  EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 0u);
}

// STRICT: no chain takes what is plain, however long it waits.
TEST_F(SniffTest, WhatNoPlainChainTakesIsRefused) {
  Start({.workers = 1});
  Listen(Duration::Millis(100), true);
  auto strict = config_.Make({.clusters = {{.name = "c", .endpoints = {{kServer, 8080}}}},
                              .routes = {{.cluster = "c"}},
                              .chains = true});
  strict->listeners[0].chains.pop_back();
  strict->listeners[0].plain_after_timeout = true;
  (void)Open(PortOwnedBy(0));  // under the configuration before
  plane_->Publish(std::move(strict));
  const std::vector<TcpFrame> reset = At(now_ + Duration::Millis(102), kPod);
  ASSERT_EQ(reset.size(), 1u);
  EXPECT_EQ(reset[0].flags & wire::kTcpRst, wire::kTcpRst);
  EXPECT_EQ(counters().no_filter_chain, 1u);
  EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 0u);
}

// Goal: chains that addresses tell apart wait for no bytes: a server that speaks first is asked at
// once. Method: the same two chains, by the client's address.
class AddressTest : public SniffTest {
 protected:
  void Listen(const char* first, const char* second) {
    auto snapshot = config_.Make({.clusters = {{.name = "c", .endpoints = {{kServer, 8080}}}},
                                  .routes = {{.cluster = "c"}},
                                  .chains = true});
    config::TcpProxy& proxy = snapshot->listeners[2].filter.emplace<config::TcpProxy>();
    proxy.clusters = {{.cluster = 0, .weight = 1, .name = "c"}};
    proxy.total_weight = 1;
    snapshot->listeners[0].chains = {{{.sources = {*IpPrefix::Parse(first)}}, 1},
                                     {{.sources = {*IpPrefix::Parse(second)}}, 2}};
    plane_->Publish(std::move(snapshot));
    Turn();
  }
};

TEST_F(AddressTest, TheChainOfTheClientTakesItAtOnce) {
  Start({.workers = 1});
  Listen("10.9.9.9/32", "10.1.0.11/32");
  (void)Open(PortOwnedBy(0));
  EXPECT_EQ(plane_->worker(0).engine().counters().tcp_proxied, 1u);
  Put(kUplink, wire::Arp({.operation = wire::kArpRequest,
                          .sender_mac = FarMac(kUplink),
                          .sender_ip = kServer,
                          .target_ip = kUplinkOwn}));
  const std::vector<TcpFrame> syn = At(now_, kUplink);
  ASSERT_EQ(syn.size(), 1u);
  EXPECT_EQ(syn[0].flags & wire::kTcpSyn, wire::kTcpSyn);
  EXPECT_EQ(counters().no_filter_chain, 0u);
}

TEST_F(AddressTest, WhomNoChainTakesIsLetGo) {
  Start({.workers = 1});
  Listen("10.9.9.9/32", "10.9.9.0/24");
  const uint16_t from = PortOwnedBy(0);
  Send(from, wire::kTcpSyn, 1000, 0);
  Turn();
  const std::vector<TcpFrame> answer = TakeTcp(kPod);
  ASSERT_EQ(answer.size(), 1u);
  Send(from, wire::kTcpAck, 1001, answer[0].sequence + 1, "hello");
  Turn();
  const std::vector<TcpFrame> reset = TakeTcp(kPod);
  ASSERT_FALSE(reset.empty());
  EXPECT_EQ(reset[0].flags & wire::kTcpRst, wire::kTcpRst);
  EXPECT_EQ(counters().no_filter_chain, 1u);
  EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 0u);
  EXPECT_EQ(plane_->worker(0).engine().conn_count(), 0u);
}

}  // namespace
}  // namespace meltemi::worker
