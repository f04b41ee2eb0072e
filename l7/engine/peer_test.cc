// Who is at the other end: what upstreams are told of it (x-forwarded-client-cert, byte for byte as
// Envoy), what logs and metrics say. Certificates come by Accepted::peer, as from a handshake.
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

constexpr char kClient[] = "spiffe://mesh/ns/default/sa/client";
constexpr char kServer[] = "spiffe://mesh/ns/default/sa/server";
constexpr char kElement[] =
    "By=spiffe://mesh/ns/default/sa/server;Hash=00ff;"
    "Subject=\"CN=a\\\"b,O=x\";URI=spiffe://mesh/ns/default/sa/client;DNS=c.example";

class PeerTest : public EngineTest {
 protected:
  explicit PeerTest(uint32_t allocation_max = 2048) : EngineTest(allocation_max) {}
  static telemetry::PeerIdentity Certified() {
    telemetry::PeerIdentity peer = telemetry::MakePeerIdentity(kClient);
    auto certificate = std::make_unique<telemetry::PeerCertificate>();
    certificate->uris = {kClient};
    certificate->dns_names = {"c.example"};
    certificate->subject = "CN=a\\\"b,O=x";
    certificate->issuer = "O=root";
    certificate->serial = "0a";
    certificate->sha256 = "00ff";
    certificate->not_after = 1'500'000'000;
    peer.certificate = std::move(certificate);
    peer.local = {kServer};
    return peer;
  }
  ConnId AcceptCertified() {
    return Accept({.listener = 0,
                   .secure = true,
                   .tls = {.version = 0x0304, .cipher_suite = 0x1301},
                   .peer = &certified_});
  }
  // What the upstream gets, of a client that has sent `extra` headers.
  std::string Forwarded(ConnId down, std::string_view extra = "") {
    Send(down, Get("/", extra));
    const ConnId up = Connect();
    return HeaderOf(Take(up), "x-forwarded-client-cert");
  }
  ConnId ConnectToPod() {
    const ConnId id = TakeConnect();
    engine().OnConnected(id, {.local = Address(3, 50'000), .workload = &server_}, now_);
    Run();
    return id;
  }
  void DescribeAll() {
    manager().client_cert_details = {.subject = true, .uri = true, .dns = true};
  }
  // The listener in front of the endpoint's port, as Pilot serves it to the endpoint's node.
  void AddInbound(config::ClientCertHeader mode) {
    config::Listener inbound;
    inbound.name = "inbound";
    config::HttpManager http;
    http.client_cert_header = mode;
    http.client_cert_details = {.subject = true, .uri = true, .dns = true};
    inbound.filter = std::move(http);
    snapshot_->listeners.push_back(std::move(inbound));
    snapshot_->mesh_inbound[cluster().endpoints[0].address] = {.listener = 2};
    cluster().tls = {.settings = 5, .by_source = true};
    workload_.identity = kClient;
  }
  std::string Metrics() {
    std::vector<telemetry::Sample> samples;
    engine().AppendSamples(&samples);
    std::string text;
    telemetry::Render(telemetry::Merge(std::move(samples)), &text);
    return text;
  }

  telemetry::PeerIdentity certified_ = Certified();
  config::Workload server_{.name = "server-v1", .ns = "default", .identity = kServer};
};

TEST_F(PeerTest, PlaintextClientsAreSanitized) {
  using config::ClientCertHeader;
  for (const ClientCertHeader mode : {ClientCertHeader::kSanitize, ClientCertHeader::kForward,
                                      ClientCertHeader::kAppend, ClientCertHeader::kSet}) {
    manager().client_cert_header = mode;
    EXPECT_EQ(Forwarded(Accept(), "X-Forwarded-Client-Cert: By=evil\r\n"), "(none)");
  }
  manager().client_cert_header = ClientCertHeader::kAlwaysForward;
  EXPECT_EQ(Forwarded(Accept(), "X-Forwarded-Client-Cert: By=x\r\n"), "By=x");
}

TEST_F(PeerTest, WithACertificateTheModesAreEnvoys) {
  using config::ClientCertHeader;
  const std::string element = kElement;
  const struct {
    ClientCertHeader mode;
    std::string without, with;
  } kRows[] = {
      {ClientCertHeader::kSanitize, "(none)", "(none)"},
      {ClientCertHeader::kForward, "(none)", "By=x"},
      {ClientCertHeader::kAppend, element, "By=x," + element},
      {ClientCertHeader::kSet, element, element},
      {ClientCertHeader::kAlwaysForward, "(none)", "By=x"},
  };
  DescribeAll();
  for (const auto& row : kRows) {
    manager().client_cert_header = row.mode;
    EXPECT_EQ(Forwarded(AcceptCertified()), row.without);
    EXPECT_EQ(Forwarded(AcceptCertified(), "x-forwarded-client-cert: By=x\r\n"), row.with);
  }
}

TEST_F(PeerTest, DetailsAreTheOnesAskedFor) {
  manager().client_cert_header = config::ClientCertHeader::kSet;
  EXPECT_EQ(Forwarded(AcceptCertified()), "By=spiffe://mesh/ns/default/sa/server;Hash=00ff");
  manager().client_cert_details = {.uri = true};
  EXPECT_EQ(
      Forwarded(AcceptCertified()),
      "By=spiffe://mesh/ns/default/sa/server;Hash=00ff;URI=spiffe://mesh/ns/default/sa/client");
}

// Goal: the certificate itself and its chain, encoded as Envoy does; clients that differ in what is
// known of them share nothing. Method: PEM with every byte that is encoded.
TEST_F(PeerTest, TheCertificateItself) {
  manager().client_cert_header = config::ClientCertHeader::kSet;
  manager().client_cert_details = {.cert = true, .chain = true, .subject = true};
  const auto accept = [&](std::string_view pem, std::string_view chain) {
    return Accept({.listener = 0,
                   .secure = true,
                   .peer = &certified_,
                   .peer_pem = pem,
                   .peer_chain_pem = chain});
  };
  const std::string start = "By=spiffe://mesh/ns/default/sa/server;Hash=00ff;";
  const std::string end = "Subject=\"CN=a\\\"b,O=x\"";
  const ConnId without = accept("", "");
  EXPECT_EQ(Forwarded(accept("- A\n+/=", "- A\n+/=- B\n")),
            start + "Cert=\"-%20A%0A%2B%2F%3D\";Chain=\"-%20A%0A%2B%2F%3D-%20B%0A\";" + end);
  EXPECT_EQ(Forwarded(accept("A", "A")), start + "Cert=\"A\";Chain=\"A\";" + end);
  EXPECT_EQ(Forwarded(without), start + end);
  manager().client_cert_details = {.chain = true};
  EXPECT_EQ(Forwarded(accept("A", "AB")),
            "By=spiffe://mesh/ns/default/sa/server;Hash=00ff;Chain=\"AB\"");
}

class LargePeerTest : public PeerTest {
 protected:
  LargePeerTest() : PeerTest(16 * 1024) {}  // as the packets' pool
};

TEST_F(LargePeerTest, OnlyAsMuchOfItAsAHeaderHolds) {
  manager().client_cert_header = config::ClientCertHeader::kSet;
  manager().client_cert_details = {.cert = true, .chain = true};
  constexpr size_t kMax = limits::kClientCertPemBytesMax;
  for (const size_t n : {kMax - 1, kMax, kMax + 1}) {
    const std::string chain(n, 'x');
    const ConnId down = Accept({.listener = 0,
                                .secure = true,
                                .peer = &certified_,
                                .peer_pem = "A",
                                .peer_chain_pem = chain});
    const std::string told = n <= kMax ? ";Chain=\"" + chain + "\"" : "";
    EXPECT_EQ(Forwarded(down), "By=spiffe://mesh/ns/default/sa/server;Hash=00ff;Cert=\"A\"" + told);
  }
}

// A certificate without names still has Subject and URI; one that could be taken for two elements
// is quoted.
TEST_F(PeerTest, OddCertificates) {
  manager().client_cert_header = config::ClientCertHeader::kSet;
  DescribeAll();
  auto bare = std::make_unique<telemetry::PeerCertificate>();
  bare->sha256 = "01";
  certified_.certificate = std::move(bare);
  certified_.principal.clear();
  certified_.local.clear();
  EXPECT_EQ(Forwarded(AcceptCertified()), "Hash=01;Subject=\"\";URI=");
  auto odd = std::make_unique<telemetry::PeerCertificate>();
  odd->sha256 = "02";
  odd->uris = {"a:b;URI=c", "d:\"e"};
  certified_.certificate = std::move(odd);
  EXPECT_EQ(Forwarded(AcceptCertified()), "Hash=02;Subject=\"\";URI=\"a:b;URI=c\";URI=\"d:\\\"e\"");
}

// Goal: a pod of the same node hears the same as one behind TLS. Method: a connection of the mesh's
// that has come about without TLS.
TEST_F(PeerTest, OnTheSameNodeBothIdentitiesAreForwarded) {
  AddInbound(config::ClientCertHeader::kAppend);
  const ConnId down = Accept();
  Send(down, Get("/", "x-forwarded-client-cert: By=evil\r\n"));
  const ConnId up = ConnectToPod();
  EXPECT_EQ(HeaderOf(Take(up), "x-forwarded-client-cert"),
            std::string("By=") + kServer + ";Subject=\"\";URI=" + kClient);
  Send(up, Ok("1"));
  // The next on the same connection.
  Send(down, Get());
  EXPECT_EQ(HeaderOf(Take(up), "x-forwarded-client-cert"),
            std::string("By=") + kServer + ";Subject=\"\";URI=" + kClient);
  Send(up, Ok("2"));
  const std::string metrics = Metrics();
  for (const std::string reporter : {"source", "destination"}) {
    EXPECT_NE(metrics.find("istio_requests_total{reporter=\"" + reporter +
                           "\",source_workload=\"productpage-v1\",source_workload_namespace="
                           "\"default\",source_principal=\"" +
                           kClient + "\""),
              std::string::npos)
        << metrics;
  }
  EXPECT_NE(metrics.find(std::string("destination_principal=\"") + kServer +
                         "\",request_protocol=\"http\",response_code=\"200\",response_flags=\"-\","
                         "connection_security_policy=\"mutual_tls\"} 2\n"),
            std::string::npos)
      << metrics;
}

// Goal: who reaches a gateway is not the gateway; what the gateway sends on is the gateway's.
TEST_F(PeerTest, AGatewaysClientIsSomebodyElse) {
  AddInbound(config::ClientCertHeader::kAppend);
  manager().logs_peers = true;
  const ConnId down = Accept({.listener = 0, .gateway = true});
  Send(down, Get());
  const ConnId up = ConnectToPod();
  EXPECT_EQ(HeaderOf(Take(up), "x-forwarded-client-cert"),
            std::string("By=") + kServer + ";Subject=\"\";URI=" + kClient);
  Send(up, Ok("1"));
  ASSERT_NE(engine().records().back().peers, nullptr);
  EXPECT_EQ(engine().records().back().peers->downstream.principal, "");
  EXPECT_EQ(engine().records().back().peers->upstream.principal, kServer);
}

// Goal: what was said for a pod of this node is not said to another host. Method: the first attempt
// is refused after its head was written, the second goes elsewhere.
TEST_F(PeerTest, ARetryElsewhereForgetsIt) {
  snapshot_ = MakeSnapshot(1, 2);
  AddInbound(config::ClientCertHeader::kSet);
  retry().on = config::RetryPolicy::k5xx;
  retry().previous_hosts = true;
  retry().host_selection_attempt_count_max = 10;
  cluster().lb = config::LbPolicy::kRoundRobin;
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId first = ConnectToPod();
  const bool local_first = At(first).address == cluster().endpoints[0].address;
  EXPECT_EQ(HeaderOf(Take(first), "x-forwarded-client-cert") != "(none)", local_first);
  Send(first, Status(503));
  Advance(Duration::Millis(100));
  const ConnId second = Connect();  // by TLS, as far as the engine knows: no workload of this node
  EXPECT_EQ(HeaderOf(Take(second), "x-forwarded-client-cert"), "(none)");
  Send(second, Ok("1"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(PeerTest, LogsThatAskAreToldOfBothPeers) {
  manager().logs_peers = true;
  const ConnId down = AcceptCertified();
  RoundTrip(down, Get(), Ok("1"));
  auto format = telemetry::AccessLogFormat::Parse(
      "%DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_LOCAL_URI_SAN% %DOWNSTREAM_PEER_ISSUER% "
      "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %UPSTREAM_PEER_URI_SAN%");
  ASSERT_TRUE(format.ok());
  std::string line;
  format->Append(engine().records().back(), &line);
  EXPECT_EQ(line,
            std::string(kClient) + " " + kServer + " O=root TLSv1.3 TLS_AES_128_GCM_SHA256 -");
}

TEST_F(PeerTest, OtherLogsCarryNothing) {
  RoundTrip(AcceptCertified(), Get(), Ok("1"));
  EXPECT_EQ(engine().records().back().peers, nullptr);
}

// What came in by mutual TLS is told by the server's side, with both principals.
TEST_F(PeerTest, MetricsOfTheServersSide) {
  snapshot_->listeners[0].direction = config::Direction::kInbound;
  cluster().requests_per_connection_max = 1;
  RoundTrip(AcceptCertified(), Get(), Ok("1"));
  RoundTrip(Accept(), Get(), Ok("1"));
  const std::string metrics = Metrics();
  EXPECT_NE(metrics.find(std::string("source_principal=\"") + kClient + "\""), std::string::npos);
  EXPECT_NE(metrics.find(std::string("destination_principal=\"") + kServer + "\""),
            std::string::npos);
  EXPECT_NE(metrics.find("connection_security_policy=\"mutual_tls\"} 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("connection_security_policy=\"none\"} 1\n"), std::string::npos);
  EXPECT_EQ(metrics.find("istio_requests_total{reporter=\"source\""), std::string::npos);
}

TEST_F(PeerTest, OpaqueConnectionsAreCounted) {
  cluster().tls = {.settings = 5, .by_source = true};
  workload_.identity = kClient;
  const ConnId down = Accept(1);
  const ConnId up = ConnectToPod();
  Send(down, "12345");
  Send(up, "123");
  Closed(down);
  const std::string metrics = Metrics();
  EXPECT_NE(metrics.find("istio_tcp_connections_opened_total{reporter=\"source\","),
            std::string::npos)
      << metrics;
  EXPECT_NE(metrics.find("request_protocol=\"tcp\",response_flags=\"-\","
                         "connection_security_policy=\"mutual_tls\"} 5\n"),
            std::string::npos)
      << metrics;
}

// Goal: n, n + 1 principals: those beyond the bound are one, and counted.
TEST_F(PeerTest, PrincipalsOfMetricsAreBounded) {
  const auto accept = [this](size_t i) {
    certified_ = Certified();
    certified_.principal = "spiffe://mesh/ns/default/sa/" + std::to_string(i);
    const ConnId down = AcceptCertified();
    RoundTrip(down, Get(), Ok("1"));
    Closed(down);
    CloseAll();
    conns_.clear();
  };
  certified_.local.clear();
  for (size_t i = 0; i + 1 < limits::kPrincipalLabelsMax; ++i) accept(i);  // and kServer
  EXPECT_EQ(engine().counters().principals_refused, 0u);
  accept(limits::kPrincipalLabelsMax);
  EXPECT_EQ(engine().counters().principals_refused, 1u);
  EXPECT_NE(Metrics().find("source_principal=\"other\""), std::string::npos);
}

// Goal: HTTP/2 is not tried on a pod of this node of which nobody knows what it speaks. Method: a
// cluster of HTTP/2 whose endpoint is here and its listener is not.
TEST_F(PeerTest, AServerWhoseListenerHasNotComeHearsNothing) {
  cluster().http2.emplace();
  cluster().tls = {.settings = 5, .by_source = true};
  workload_.identity = kClient;
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = ConnectToPod();
  EXPECT_EQ(Take(up), "");
  EXPECT_TRUE(At(up).released);
  EXPECT_EQ(StatusOf(Take(down)), 503);
  EXPECT_EQ(LastRecord(), "503 UF upstream_reset_before_response_started{connection_failure}");
  EXPECT_EQ(engine().counters().http2_unsure, 1u);
}

}  // namespace
}  // namespace meltemi::engine
