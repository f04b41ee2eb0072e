// Goal: with TLS on either side of the plane, or both, every request is answered once with the
// right bytes, nothing of it is readable on the wire, and nothing is left behind. Method: the
// simulation's hosts speak TLS by dataplane/tls, which its own tests hold against OpenSSL; here it
// is the worker's part that is tested: accept, connect, windows, ends.
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tls/testing/mesh_ends.h"
#include "gtest/gtest.h"
#include "test/sim/config.h"
#include "test/sim/expect.h"
#include "test/sim/world.h"

namespace meltemi::sim {
namespace {

constexpr Duration kLimit = Duration::Seconds(900);
constexpr uint32_t kServerSide = 1, kClientSide = 2;  // stable ids of settings

// At the virtual time 0.
WallClock TestClock() { return {.offset_nanos = tls::kTestNow * 1'000'000'000}; }

struct Tls {
  tls::MeshOptions plane, hosts;
  bool clients = false, servers = false;  // who of the hosts speaks TLS
};

WorldOptions Options(const Tls& tls, int workers, uint64_t requests) {
  WorldOptions o;
  o.plane.workers = workers;
  o.plane.tls = true;
  o.plane.wall_clock = o.tls.wall_clock = TestClock();
  if (tls.clients) o.tls.client = tls::Client(tls.hosts.client);
  if (tls.servers) o.tls.server = tls::Server(tls.hosts.server);
  o.load.request_count = requests / 2;
  o.load.connection_count = 8;
  return o;
}

struct Mesh {
  Mesh(const Tls& tls, const WorldOptions& options, bool chains = false) : world(options) {
    world.plane().SetTls({{.id = kServerSide, .context = tls::Server(tls.plane.server)},
                          {.id = kClientSide, .context = tls::Client(tls.plane.client)}});
    ConfigSpec spec = OneCluster(world);
    if (tls.clients || chains) spec.tls = kServerSide;
    spec.chains = chains;
    if (tls.servers) spec.clusters[0].tls = kClientSide;
    world.plane().Publish(config.Make(spec));
  }
  World world;
  ConfigMaker config;
};

void ExpectAllAnswered(World& world) {
  EXPECT_EQ(world.Errors(), "");
  for (int i = 0; i < world.client_count(); ++i) {
    EXPECT_EQ(world.client(i).answered(200), world.client(i).options().request_count);
  }
  for (int i = 0; i < world.server_count(); ++i) {
    for (const auto& [id, times] : world.server(i).served()) EXPECT_EQ(times, 1) << id;
  }
  EXPECT_EQ(world.plane().EngineTotals().local_replies, 0u);
}

std::string PeerOf(const Host& host) { return host.tls()->agreed()->peer.uri_sans.at(0); }

LinkOptions BadLink() {
  return {.loss_per_mille = 10,
          .duplicate_per_mille = 5,
          .reorder_per_mille = 20,
          .jitter = Duration::Micros(40)};
}

TEST(SimTls, EverySideMayHaveIt) {
  for (const auto& [clients, servers] : {std::pair{true, false}, {false, true}, {true, true}}) {
    SCOPED_TRACE(testing::Message() << "clients " << clients << ", servers " << servers);
    Tls tls{.clients = clients, .servers = servers};
    WorldOptions options = Options(tls, 2, 1000);
    options.pod_link = options.uplink = BadLink();
    Mesh mesh(tls, options);
    ASSERT_TRUE(mesh.world.RunUntilClosed(kLimit));
    ExpectAllAnswered(mesh.world);
    const tls::TlsCounters counters = mesh.world.plane().TlsTotals();
    EXPECT_GE(counters.handshakes_done, 16u);
    EXPECT_EQ(counters.handshakes_failed, 0u);
    EXPECT_EQ(counters.sessions_openssl_records, 0u);
    EXPECT_GT(counters.records_in, 1000u);
    if (clients) {
      EXPECT_EQ(PeerOf(mesh.world.client_host(0)), "spiffe://cluster.local/ns/a/sa/a");
    }
    if (servers) {
      EXPECT_EQ(PeerOf(mesh.world.server_host(0)), "spiffe://cluster.local/ns/a/sa/b");
      EXPECT_EQ(mesh.world.server_host(0).tls()->agreed()->alpn, "");  // the server has none
    }
    ExpectNothingLeft(mesh.world);
    EXPECT_EQ(mesh.world.plane().tls_sessions(), 0u);
    // Every session's end was told, by the plane or by its peer.
    const tls::TlsCounters after = mesh.world.plane().TlsTotals();
    EXPECT_EQ(after.truncated, 0u);
    EXPECT_GE(after.close_notify_in + after.close_notify_out, after.handshakes_done);
    ExpectEverySegmentCameHome(mesh.world);
  }
}

// Goal: workers hear that the time of day was set. Method: servers whose certificates begin then.
TEST(SimTls, CertificatesAreGoodByTheTimeOfDayInForce) {
  Tls tls{.servers = true};
  tls.hosts.server.certificates = {
      {{}, tls::MeshPki::Get().root.Issue({.not_before = tls::kTestNow + 43'000})}};
  Mesh mesh(tls, Options(tls, 2, 100));
  mesh.world.plane().SetWallClock({.offset_nanos = (tls::kTestNow + 43'200) * 1'000'000'000});
  ASSERT_TRUE(mesh.world.RunUntilClosed(kLimit));
  ExpectAllAnswered(mesh.world);
  EXPECT_EQ(mesh.world.plane().TlsTotals().handshakes_failed, 0u);
}

// Goal: no request is lost to a handshake that fails: it is answered, and by whose fault is told.
TEST(SimTls, AServerOfAnotherMeshIsNotTalkedTo) {
  Tls tls{.servers = true};
  tls.hosts.server.certificates = {{{}, tls::MeshPki::Get().other.IssueSpiffe("a")}};
  Mesh mesh(tls, Options(tls, 1, 20));
  ASSERT_TRUE(mesh.world.RunUntilClosed(kLimit));
  for (int i = 0; i < mesh.world.client_count(); ++i) {
    EXPECT_EQ(mesh.world.client(i).answered(503), mesh.world.client(i).options().request_count);
  }
  EXPECT_GT(mesh.world.plane().TlsTotals().handshake_rejected_peer, 0u);
  for (const telemetry::AccessRecord& record : mesh.world.plane().records()) {
    EXPECT_EQ(record.response_flags, uint32_t{telemetry::kUpstreamConnectionFailure});
    EXPECT_EQ(record.upstream_failure_reason.view(), "TLS_error:CERTIFICATE_VERIFY_FAILED");
  }
  ExpectNothingLeft(mesh.world);
}

TEST(SimTls, ClientsWithoutIdentityAreRefused) {
  Tls tls{.clients = true};
  tls.hosts.client.certificate = {};
  WorldOptions options = Options(tls, 1, 4);
  Mesh mesh(tls, options);
  mesh.world.RunFor(Duration::Seconds(2));
  EXPECT_EQ(mesh.world.plane().EngineTotals().requests, 0u);
  EXPECT_GT(mesh.world.plane().TlsTotals().handshake_rejected_peer, 0u);
  EXPECT_EQ(mesh.world.plane().tls_sessions(), 0u);
  EXPECT_EQ(mesh.world.plane().l7_connections(), 0u);
}

// Goal: listeners and clusters whose secrets have not come are refused at once, and work as soon as
// they are there, without a new snapshot.
TEST(SimTls, SecretsMayComeLater) {
  Tls tls{.servers = true};
  Mesh mesh(tls, Options(tls, 1, 20));
  mesh.world.plane().SetTls({});
  ASSERT_TRUE(mesh.world.RunUntilDone(kLimit));
  EXPECT_EQ(mesh.world.client(0).answered(503), 10u);
  EXPECT_GT(mesh.world.plane().WorkerTotals().tls_not_ready, 0u);
  mesh.world.plane().SetTls({{.id = kClientSide, .context = tls::Client(tls.plane.client)}});
  mesh.world.Extend(10);
  ASSERT_TRUE(mesh.world.RunUntilClosed(kLimit));
  EXPECT_EQ(mesh.world.client(0).answered(200), 10u);
  ExpectNothingLeft(mesh.world);
}

// Goal: a listener whose chains are chosen by the first bytes takes TLS and plain clients, however
// their bytes are cut, and remembers nothing of those that say nothing.
TEST(SimTls, FirstBytesChooseTheChain) {
  for (const bool clients : {true, false}) {
    SCOPED_TRACE(testing::Message() << "clients " << clients);
    Tls tls{.clients = clients};
    WorldOptions options = Options(tls, 2, 1000);
    options.pod_link = options.uplink = BadLink();
    Mesh mesh(tls, options, /*chains=*/true);
    ASSERT_TRUE(mesh.world.RunUntilClosed(kLimit));
    ExpectAllAnswered(mesh.world);
    EXPECT_EQ(mesh.world.plane().TlsTotals().handshakes_done > 0, clients);
    EXPECT_EQ(mesh.world.plane().WorkerTotals().no_filter_chain, 0u);
    ExpectNothingLeft(mesh.world);
    ExpectEverySegmentCameHome(mesh.world);
  }
}

// Goal: certificates are replaced while serving, and a cluster goes from plain to TLS and back
// under load, without a failed request: old connections end when they are idle, no request is on
// one of the other kind.
TEST(SimTls, RotationAndChangeOfModeLoseNothing) {
  Tls tls{.clients = true, .servers = true};
  WorldOptions options = Options(tls, 2, 4000);
  options.load.requests_per_connection = 20;
  Mesh mesh(tls, options);
  World& world = mesh.world;
  for (int round = 0; round < 4; ++round) {
    world.RunFor(Duration::Millis(20));
    tls::MeshOptions next;
    next.server.certificates = {{{}, tls::MeshPki::Get().root.IssueSpiffe("a")}};
    next.client.certificate = tls::MeshPki::Get().root.IssueSpiffe("b");
    world.plane().SetTls({{.id = kServerSide, .context = tls::Server(next.server)},
                          {.id = kClientSide, .context = tls::Client(next.client)}});
  }
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  ExpectAllAnswered(world);
  ExpectNothingLeft(world);
}

// Goal: big bodies through windows that count ciphertext: nothing stalls, nothing is held for ever.
TEST(SimTls, BigBodiesThroughSmallWindows) {
  Tls tls{.clients = true, .servers = true};
  WorldOptions options = Options(tls, 1, 40);
  options.load.connection_count = 2;
  options.load.shape.fixed =
      Plan{.post = true, .request_bytes = 2'000'000, .reply_bytes = 2'000'000};
  Mesh mesh(tls, options);
  ASSERT_TRUE(mesh.world.RunUntilClosed(kLimit));
  ExpectAllAnswered(mesh.world);
  EXPECT_GT(mesh.world.plane().TlsTotals().bytes_in, 10'000'000u);
  ExpectNothingLeft(mesh.world);
}

// Goal: a stream of TLS that ends without close_notify is not passed on as one that ended in order,
// and all that came of it before arrives. Method: servers that do send close_notify, and servers
// that do not, behind a listener of opaque TCP, for clients that speak plainly.
TEST(SimTls, AStreamThatIsCutIsResetAfterItsBytes) {
  for (const bool cuts : {false, true}) {
    SCOPED_TRACE(testing::Message() << "cuts " << cuts);
    Tls tls{.servers = true};
    WorldOptions options = Options(tls, 1, 0);
    options.clients = options.pod_servers = options.uplink_servers = 0;
    options.stream_clients = options.stream_servers = 1;
    options.streams.stream_count = 40;
    options.streams.connection_count = 4;
    options.tls.cuts = cuts;
    options.pod_link = BadLink();
    World world(options);
    world.plane().SetTls({{.id = kClientSide, .context = tls::Client(tls.plane.client)}});
    ConfigMaker config;
    world.plane().Publish(config.Make({.clusters = {{.name = "s",
                                                     .endpoints = {world.stream_server_address(0)},
                                                     .tls = kClientSide}},
                                       .tcp = {{.port = kStreamPort, .cluster = "s"}}}));
    StreamClient& client = world.stream_client(0);
    ASSERT_TRUE(world.Run(kLimit, [&client] { return client.done(); }));
    for (size_t i = 0; i < client.outcomes().size(); ++i) {
      const StreamOutcome& outcome = client.outcomes()[i];
      EXPECT_EQ(outcome.whole, !cuts) << i;
      EXPECT_EQ(outcome.error, cuts ? tcp::TcpError::kReset : tcp::TcpError::kNone) << i;
      EXPECT_EQ(outcome.received,
                StreamPlanOf(client.options().first_id + i, client.options().shape).down_bytes)
          << i;
    }
    EXPECT_EQ(world.Errors(), "");
    EXPECT_EQ(world.plane().TlsTotals().truncated, cuts ? 40u : 0u);
    ExpectNothingLeft(world);
  }
}

}  // namespace
}  // namespace meltemi::sim
