// Snapshots coming and going, draining, statistics; and the TCP proxy.
#include <algorithm>

#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

class SnapshotTest : public EngineTest {
 protected:
  // A snapshot kept for the test's whole life.
  config::Snapshot* Next(int endpoint_count) {
    later_.push_back(MakeSnapshot(2 + later_.size(), endpoint_count));
    return later_.back().get();
  }
  static config::Forward& ForwardOf(config::Snapshot* snapshot) {
    return std::get<config::Forward>(snapshot->route_tables[0].hosts[0].routes[0].action);
  }
  std::vector<std::unique_ptr<config::Snapshot>> later_;
};

TEST_F(SnapshotTest, ExchangeKeepsTheOneItBeganWith) {
  route().name = "old";
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  config::Snapshot* next = Next(1);
  next->route_tables[0].hosts[0].routes[0].name = "new";
  Use(next);
  EXPECT_EQ(engine().oldest_snapshot(), 1u);
  Send(up, Ok("1"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
  EXPECT_EQ(engine().records().back().route_name.view(), "old");
  EXPECT_EQ(engine().records().back().snapshot_sequence, 1u);
  EXPECT_EQ(engine().oldest_snapshot(), 2u);
  Send(down, Get());
  Send(up, Ok("2"));
  EXPECT_EQ(engine().records().back().route_name.view(), "new");
  EXPECT_EQ(engine().records().back().snapshot_sequence, 2u);
}

TEST_F(SnapshotTest, PoolOutlivesIt) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1"));
  Use(Next(1));
  Take(up);
  Send(down, Get());
  EXPECT_NE(Take(up), "");
}

TEST_F(SnapshotTest, RemovedEndpointsIdleConnectionsAreClosed) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1"));
  Use(Next(0));
  EXPECT_TRUE(At(up).released);
  Send(down, Get());
  EXPECT_EQ(LastRecord(), "503 UH no_healthy_upstream");
}

TEST_F(SnapshotTest, RemovedEndpointsBusyConnectionIsDrained) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Use(Next(0));
  EXPECT_FALSE(At(up).dead());
  Send(up, Ok("1"));
  EXPECT_EQ(BodyOf(Take(down)).substr(0, 1), "1");
  EXPECT_TRUE(At(up).released);
}

TEST_F(SnapshotTest, RemovedClusterDrains) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  config::Snapshot* next = Next(1);
  next->clusters.clear();
  ForwardOf(next).clusters[0].cluster = config::kNoIndex;
  Use(next);
  Send(up, Ok("1"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
  Send(down, Get());
  EXPECT_EQ(LastRecord(), "503 NC cluster_not_found");
  Use(Next(1));
  EXPECT_EQ(StatusOf(Take(down)), 503);
  Send(down, Get());
  Send(Connect(), Ok("2"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(SnapshotTest, ListenerThatMovedIsFollowedByName) {
  const ConnId down = Accept();
  config::Snapshot* next = Next(1);
  std::swap(next->listeners[0], next->listeners[1]);
  Use(next);
  Send(down, Get());
  Send(Connect(), Ok("1"));
  EXPECT_EQ(engine().records().back().listener, 1u);
}

TEST_F(SnapshotTest, ListenerThatWentEndsItsConnections) {
  const ConnId idle = Accept(), busy = Accept();
  Send(busy, Get());
  const ConnId up = Connect();
  config::Snapshot* next = Next(1);
  next->listeners.erase(next->listeners.begin());
  Use(next);
  EXPECT_TRUE(At(idle).released);
  EXPECT_FALSE(At(busy).dead());
  EXPECT_EQ(engine().oldest_snapshot(), 1u);
  Send(up, Ok("1"));
  const std::string response = Take(busy);
  EXPECT_EQ(HeaderOf(response, "connection"), "close");
  EXPECT_TRUE(At(busy).released);
  EXPECT_EQ(engine().oldest_snapshot(), 2u);
}

TEST_F(SnapshotTest, RetryAfterASwitchUsesTheNewEndpoints) {
  retry().on = config::RetryPolicy::kConnectFailure;
  const ConnId down = Accept();
  Send(down, Get());
  Refuse();
  config::Snapshot* next = Next(1);
  next->clusters[0].endpoints[0].address = Address(99, 1);
  next->clusters[0].endpoints[0].stable_id = 999;
  Use(next);
  Advance(Duration::Millis(260));
  EXPECT_EQ(At(connecting_.front()).address, Address(99, 1));
}

TEST_F(SnapshotTest, ManySwitchesWhileRequestsRun) {
  const ConnId down = Accept();
  for (int i = 0; i < 50; ++i) {
    Send(down, Get());
    Use(Next(1 + i % 3));
    while (!connecting_.empty()) Connect();
    bool answered = false;
    for (auto& [id, conn] : conns_) {
      if (id != down && !conn.dead() && conn.written.starts_with("GET")) {
        conn.written.clear();
        Send(id, Ok("x"));
        answered = true;
        break;
      }
    }
    ASSERT_TRUE(answered) << i;
    ASSERT_EQ(StatusOf(Take(down)), 200) << i;
  }
}

TEST_F(SnapshotTest, DrainClosesIdleAndAnswersWithClose) {
  const ConnId idle = Accept(), busy = Accept();
  Send(busy, Get());
  const ConnId up = Connect();
  engine().Drain(now_);
  Run();
  EXPECT_TRUE(At(idle).released);
  Send(up, Ok("1"));
  EXPECT_EQ(HeaderOf(Take(busy), "connection"), "close");
  EXPECT_TRUE(At(busy).released);
}

TEST_F(SnapshotTest, OriginalDestinationIsWhatTheClientDialled) {
  cluster().discovery = config::Discovery::kOriginalDst;
  cluster().endpoints.clear();
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(At(connecting_.front()).address, Address(1, 80));
}

TEST_F(SnapshotTest, SamplesTellWhatHappened) {
  const ConnId down = Accept();
  Send(down, Get());
  Send(Connect(), Ok("1"));
  std::vector<telemetry::Sample> samples;
  engine().AppendSamples(&samples);
  std::string text;
  telemetry::Render(telemetry::Merge(std::move(samples)), &text);
  for (const char* line :
       {"envoy_cluster_upstream_rq_total{envoy_cluster_name=\"outbound|80||backend.default.svc."
        "cluster.local\"} 1\n",
        "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name="
        "\"outbound|80||backend.default.svc.cluster.local\"} 1\n",
        "envoy_http_downstream_rq_xx{envoy_response_code_class=\"2\","
        "envoy_http_conn_manager_prefix=\"outbound_0.0.0.0_80\"} 1\n",
        "istio_requests_total{reporter=\"source\",source_workload=\"productpage-v1\","
        "source_workload_namespace=\"default\",source_principal=\"unknown\","
        "destination_service=\"backend.default.svc.cluster."
        "local\",destination_service_name=\"backend\",destination_service_namespace=\"default\","
        "destination_principal=\"unknown\",request_protocol=\"http\",response_code=\"200\","
        "response_flags=\"-\","
        "connection_security_policy=\"none\"} 1\n",
        "# TYPE istio_request_duration_milliseconds histogram\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  std::string clusters;
  engine().AppendClusters(&clusters);
  EXPECT_NE(clusters.find("::10.0.0.10:8080::rq_success::1\n"), std::string::npos);
}

class TcpProxyTest : public EngineTest {
 protected:
  std::unique_ptr<config::Snapshot> next_ = MakeSnapshot(2, 1);
};

TEST_F(TcpProxyTest, CarriesBytesBothWays) {
  const ConnId down = Accept(1);
  const ConnId up = TakeConnect();
  Send(down, "early");
  EXPECT_EQ(At(down).consumed, 0u);
  engine().OnConnected(up, {.local = Address(3, 50'000)}, now_);
  Run();
  EXPECT_EQ(Take(up), "early");
  EXPECT_EQ(At(down).consumed, 5u);
  Send(up, "back");
  EXPECT_EQ(Take(down), "back");
}

TEST_F(TcpProxyTest, HalfCloseGoesThrough) {
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  Send(down, "ask");
  Eof(down);
  EXPECT_TRUE(At(up).finished);
  EXPECT_FALSE(At(up).dead());
  Send(up, "answer");
  EXPECT_EQ(Take(down), "answer");
  Eof(up);
  EXPECT_TRUE(At(down).released);
  EXPECT_TRUE(At(up).released);
  const telemetry::AccessRecord& r = engine().records().back();
  EXPECT_TRUE(r.tcp);
  EXPECT_EQ(r.bytes_received, 3u);
  EXPECT_EQ(r.bytes_sent, 6u);
}

TEST_F(TcpProxyTest, FinBeforeTheConnectionIsThere) {
  const ConnId down = Accept(1);
  Send(down, "x");
  Eof(down);
  const ConnId up = Connect();
  EXPECT_EQ(Take(up), "x");
  EXPECT_TRUE(At(up).finished);
}

TEST_F(TcpProxyTest, ResetGoesThrough) {
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  Closed(up);
  EXPECT_TRUE(At(down).aborted);
}

// A stream of TLS that ended without close_notify is passed on as one that was cut, after all that
// came of it.
TEST_F(TcpProxyTest, ACutGoesThroughAsAResetAfterItsBytes) {
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  SendQueue(down, false);
  Send(up, "abc");
  Eof(up, Ending::kCut);
  EXPECT_FALSE(At(down).dead());
  SendQueue(down, true);
  EXPECT_EQ(Take(down), "abc");
  EXPECT_FALSE(At(down).finished);
  EXPECT_TRUE(At(down).reset);
  EXPECT_TRUE(At(up).reset);
  EXPECT_EQ(LastRecord(), "0 UC upstream_reset_after_response_started{connection_termination}");
}

TEST_F(TcpProxyTest, ACutOfTheClientsGoesThroughToo) {
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  Send(down, "abc");
  Eof(down, Ending::kCut);
  EXPECT_EQ(Take(up), "abc");
  EXPECT_TRUE(At(up).reset);
  EXPECT_EQ(LastRecord(), "0 DC downstream_remote_disconnect");
}

TEST_F(TcpProxyTest, ClientResetEndsTheConnecting) {
  const ConnId down = Accept(1);
  const ConnId up = TakeConnect();
  Closed(down);
  EXPECT_TRUE(At(up).aborted);
}

TEST_F(TcpProxyTest, Backpressure) {
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  SendQueue(down, false);
  Send(up, "abc");
  EXPECT_EQ(Take(down), "");
  EXPECT_EQ(At(up).consumed, 0u);
  Eof(up);
  SendQueue(down, true);
  EXPECT_EQ(Take(down), "abc");
  EXPECT_EQ(At(up).consumed, 3u);
  EXPECT_TRUE(At(down).finished);
}

// Its sender's connection may be over, in order, while a reader still holds back.
TEST_F(TcpProxyTest, WhatASlowReaderHasNotTakenOutlivesItsSender) {
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  SendQueue(down, false);
  Send(up, "abc");
  Eof(down);
  EXPECT_TRUE(At(up).finished);
  Eof(up);
  Closed(up, CloseReason::kFinished);
  EXPECT_FALSE(At(down).dead());
  EXPECT_TRUE(engine().records().empty());
  SendQueue(down, true);
  EXPECT_EQ(Take(down), "abc");
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(engine().records().size(), 1u);
  EXPECT_EQ(engine().conn_count(), 0u);
}

TEST_F(TcpProxyTest, ConnectAttemptsAreBounded) {
  proxy().connect_attempt_count_max = 2;
  const ConnId down = Accept(1);
  Refuse();
  EXPECT_FALSE(At(down).dead());
  Refuse();
  EXPECT_TRUE(At(down).aborted);
  EXPECT_EQ(LastRecord(), "0 UF,URX upstream_reset_before_response_started{connection_failure}");
}

TEST_F(TcpProxyTest, NoHealthyUpstream) {
  cluster().endpoints.clear();
  const ConnId down = Accept(1);
  EXPECT_TRUE(At(down).aborted);
  EXPECT_EQ(LastRecord(), "0 UH no_healthy_upstream");
}

TEST_F(TcpProxyTest, UnknownCluster) {
  proxy().clusters[0].cluster = config::kNoIndex;
  Accept(1);
  EXPECT_EQ(LastRecord(), "0 NC cluster_not_found");
}

TEST_F(TcpProxyTest, ConnectionLimit) {
  cluster().breaker.connections_max = 1;
  Accept(1);
  const ConnId second = Accept(1);
  EXPECT_TRUE(At(second).aborted);
  EXPECT_EQ(LastRecord(), "0 UO upstream_overflow");
}

TEST_F(TcpProxyTest, IdleTimeout) {
  proxy().idle_timeout = Duration::Seconds(10);
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  Advance(Duration::Seconds(8));
  Send(up, "x");
  Advance(Duration::Seconds(8));
  EXPECT_FALSE(At(down).dead());
  Advance(Duration::Seconds(3));
  EXPECT_TRUE(At(down).released);
  EXPECT_TRUE(At(up).released);
  EXPECT_EQ(LastRecord(), "0 - idle_timeout");
}

TEST_F(TcpProxyTest, OutlivesItsSnapshotWithoutPinningIt) {
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  Use(next_.get());
  EXPECT_EQ(engine().oldest_snapshot(), 2u);
  Send(down, "x");
  EXPECT_EQ(Take(up), "x");
  Eof(down);
  Eof(up);
}

TEST_F(TcpProxyTest, DestructionWithEverythingOpenLeaksNothing) {
  const ConnId down = Accept(1), http = Accept();
  Connect();
  Send(down, "x");
  Send(http, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 9\r\n\r\nabc");
  engine_.reset();
  EXPECT_EQ(pool_.outstanding(), 0u);
  EXPECT_EQ(timers_.size(), 0u);
}

}  // namespace
}  // namespace meltemi::engine
