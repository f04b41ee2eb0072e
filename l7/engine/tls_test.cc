// What the engine does about TLS: it opens connections with their cluster's settings, tells the
// scheme, and says why a handshake failed. The handshakes themselves are the worker's.
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

using TlsTest = EngineTest;

TEST_F(TlsTest, UpstreamConnectionsHaveTheirClustersSettings) {
  cluster().tls = {.settings = 5};
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  EXPECT_EQ(At(up).tls, 5u);
  EXPECT_EQ(At(up).alpn, "http/1.1");
}

TEST_F(TlsTest, Http2UpstreamsOfferH2AndOpaqueOnesNothing) {
  cluster().tls = {.settings = 5};
  cluster().http2.emplace();
  const ConnId http = Accept();
  Send(http, Get());
  EXPECT_EQ(At(TakeConnect()).alpn, "h2");
  Accept(1);
  const ConnId tcp = TakeConnect();
  EXPECT_EQ(At(tcp).tls, 5u);
  EXPECT_EQ(At(tcp).alpn, "");
}

TEST_F(TlsTest, TheSchemeIsTheClients) {
  const ConnId down = AcceptTls("http/1.1");
  Send(down, Get());
  const ConnId up = Connect();
  EXPECT_EQ(HeaderOf(Take(up), "x-forwarded-proto"), "https");
  const ConnId plain = Accept();
  Send(plain, Get());
  EXPECT_EQ(HeaderOf(Take(Connect()), "x-forwarded-proto"), "http");
}

TEST_F(TlsTest, AlpnMakesAnHttp2ConnectionBeforeItsFirstByte) {
  const ConnId down = AcceptTls("h2");
  // SETTINGS (RFC 9113 6.5), before anything was said: a session of HTTP/1.1 says nothing.
  ASSERT_GE(At(down).written.size(), 9u);
  EXPECT_EQ(At(down).written[3], '\x04');
  EXPECT_EQ(At(AcceptTls("http/1.1")).written, "");
  Take(down);
}

TEST_F(TlsTest, AFailedHandshakeIsAConnectionFailureThatSaysWhy) {
  const struct {
    ConnectError error;
    std::string reason, detail;  // the log's details have less room
  } kRows[] = {
      {ConnectError::kTls, "TLS_error", "TLS_error"},
      {ConnectError::kTlsUntrusted, "TLS_error:CERTIFICATE_VERIFY_FAILED",
       "TLS_error:CERTIFICATE_VERIFY_FAILED"},
      {ConnectError::kTlsName, "TLS_error:CERTIFICATE_VERIFY_FAILED:verify_SAN_list",
       "TLS_error:CERTIFICATE_VERIFY_FAILED"},
  };
  for (const auto& row : kRows) {
    const ConnId down = Accept();
    Send(down, Get());
    Refuse(row.error);
    const std::string response = Take(down);
    EXPECT_EQ(StatusOf(response), 503);
    EXPECT_EQ(BodyOf(response),
              "upstream connect error or disconnect/reset before headers. reset reason: "
              "connection failure, transport failure reason: " +
                  row.reason);
    EXPECT_EQ(LastRecord(), "503 UF upstream_reset_before_response_started{connection_failure|" +
                                row.detail + "}");
    EXPECT_EQ(engine().records().back().upstream_failure_reason.view(), row.reason);
  }
}

TEST_F(TlsTest, AFailedHandshakeIsRetriedAsAFailedConnection) {
  retry().on = config::RetryPolicy::kConnectFailure;
  retry().retry_count_max = 1;
  const ConnId down = Accept();
  Send(down, Get());
  Refuse(ConnectError::kTlsUntrusted);
  Advance(Duration::Seconds(1));
  const ConnId up = Connect();
  Send(up, Ok("x"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

// Goal: no request goes out on a connection of other settings than today's. Method: one connection
// left idle, and one in use, across a change.
TEST_F(TlsTest, ConnectionsOfOtherSettingsAreNotUsedAgain) {
  const ConnId down = Accept();
  RoundTrip(down, Get(), Ok("1"));
  const ConnId busy = Accept();
  const ConnId other = Accept();
  Send(busy, Get());  // takes the idle one
  Send(other, Get());
  const ConnId second = Connect();
  Send(second, Ok("2"));  // idle now
  auto next = MakeSnapshot(2, 1);
  next->clusters[0].tls = {.settings = 9};
  Use(next.get());
  EXPECT_TRUE(At(second).dead());
  std::vector<ConnId> in_use;
  for (const auto& [id, conn] : conns_) {
    if (conn.address.port == 8080 && !conn.dead()) in_use.push_back(id);
  }
  ASSERT_EQ(in_use.size(), 1u);
  Send(in_use[0], Ok("3"));
  EXPECT_EQ(StatusOf(Take(busy)), 200);
  EXPECT_TRUE(At(in_use[0]).dead());
  Send(down, Get());
  const ConnId fresh = Connect();
  EXPECT_EQ(At(fresh).tls, 9u);
  Send(fresh, Ok("4"));
  CloseAll();
  snapshot_ = std::move(next);
}

// Goal: a connection that shows one workload's certificate carries nobody else's requests. Method:
// two workloads of different identities and a third of the first's, HTTP/1.1, idle connections.
TEST_F(TlsTest, ConnectionsThatShowACertificateAreTheirOwners) {
  cluster().tls = {.settings = 5, .by_source = true};
  workload_.identity = "spiffe://mesh/ns/default/sa/a";
  const ConnId a = Accept();
  workload_.identity = "spiffe://mesh/ns/default/sa/b";
  const ConnId b = Accept();
  workload_.identity = "spiffe://mesh/ns/default/sa/a";
  const ConnId also_a = Accept();
  Send(a, Get());
  const ConnId of_a = Connect();
  EXPECT_EQ(At(of_a).source, "spiffe://mesh/ns/default/sa/a");
  Send(of_a, Ok("1"));
  Send(b, Get());
  const ConnId of_b = Connect();
  EXPECT_EQ(At(of_b).source, "spiffe://mesh/ns/default/sa/b");
  Send(of_b, Ok("2"));
  Take(of_a);
  Send(also_a, Get());
  EXPECT_TRUE(connecting_.empty());
  EXPECT_NE(Take(of_a), "");
  Send(of_a, Ok("3"));
  EXPECT_EQ(StatusOf(Take(also_a)), 200);
}

// Goal: where the breaker allows no connection more, one at rest of another owner makes room.
TEST_F(TlsTest, AnothersConnectionAtRestMakesRoom) {
  cluster().tls = {.settings = 5, .by_source = true};
  cluster().breaker.connections_max = 1;
  workload_.identity = "spiffe://mesh/ns/default/sa/a";
  const ConnId a = Accept();
  workload_.identity = "spiffe://mesh/ns/default/sa/b";
  const ConnId b = Accept();
  RoundTrip(a, Get(), Ok("1"));
  Send(b, Get());
  const ConnId of_b = Connect();
  EXPECT_EQ(At(of_b).source, "spiffe://mesh/ns/default/sa/b");
  Send(of_b, Ok("2"));
  EXPECT_EQ(StatusOf(Take(b)), 200);
}

TEST_F(TlsTest, Http2ConnectionsToo) {
  cluster().tls = {.settings = 5, .by_source = true};
  cluster().http2.emplace();
  workload_.identity = "spiffe://mesh/ns/default/sa/a";
  Send(Accept(), Get());
  workload_.identity = "spiffe://mesh/ns/default/sa/b";
  Send(Accept(), Get());
  EXPECT_EQ(At(TakeConnect()).source, "spiffe://mesh/ns/default/sa/a");
  EXPECT_EQ(At(TakeConnect()).source, "spiffe://mesh/ns/default/sa/b");
}

// Goal: the socket of the mesh is for its endpoints only, and a change of theirs closes what waits.
TEST_F(TlsTest, EndpointsInTheMeshHaveTheirOwnSettings) {
  cluster().mesh_tls = {.settings = 6, .by_source = true};
  workload_.identity = "spiffe://mesh/ns/default/sa/a";
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId plain = Connect();
  EXPECT_EQ(At(plain).tls, 0u);
  EXPECT_EQ(At(plain).source, "");
  Send(plain, Ok("1"));
  auto next = MakeSnapshot(2, 1);
  next->clusters[0].mesh_tls = {.settings = 6, .by_source = true};
  for (config::Endpoint& endpoint : next->clusters[0].endpoints) endpoint.mesh = true;
  Use(next.get());
  EXPECT_TRUE(At(plain).dead());
  Send(down, Get());
  const ConnId secured = Connect();
  EXPECT_EQ(At(secured).tls, 6u);
  EXPECT_EQ(At(secured).source, "spiffe://mesh/ns/default/sa/a");
  Send(secured, Ok("2"));
  CloseAll();
  snapshot_ = std::move(next);
}

TEST_F(TlsTest, HandshakesAreCountedByListenerAndCluster) {
  cluster().tls = {.settings = 5};
  snapshot_->listeners[0].addresses = {Address(1, 443)};
  const ConnId down = AcceptTls("");
  engine().CountDownstreamTls(0, {.result = telemetry::TlsResult::kDone});
  Send(down, Get());
  const ConnId up = TakeConnect();
  engine().CountUpstreamTls(up, {.result = telemetry::TlsResult::kFailedName});
  engine().CountUpstreamTls(ConnId{}, {.result = telemetry::TlsResult::kFailedName});  // gone
  std::vector<telemetry::Sample> samples;
  engine().AppendSamples(&samples);
  std::string seen;
  for (const telemetry::Sample& s : samples) {
    if (s.name.find("_ssl_") != std::string::npos && s.value > 0) {
      seen += s.name + "{" + s.labels + "}\n";
    }
  }
  EXPECT_EQ(seen,
            "envoy_cluster_ssl_fail_verify_san{envoy_cluster_name=\"outbound|80||backend.default."
            "svc.cluster.local\"}\n"
            "envoy_listener_ssl_handshake{envoy_listener_address=\"10.0.0.1_443\"}\n"
            "envoy_listener_ssl_no_certificate{envoy_listener_address=\"10.0.0.1_443\"}\n");
}

}  // namespace
}  // namespace meltemi::engine
