// Goal: the load speaks TLS, and counts what its handshakes come to. Method: generator and backend
// against each other as in load_test.cc, with real handshakes by dataplane/tls; virtual time stands
// still while one is computed.
#include <string>
#include <utility>
#include <vector>

#include "bench/load/options.h"
#include "bench/load/report.h"
#include "bench/load/testing_both.h"
#include "bench/load/tls_setup.h"
#include "dataplane/packet/heap_pool.h"
#include "dataplane/tls/testing/certificates.h"
#include "gtest/gtest.h"

namespace meltemi::load {
namespace {

// Keys cost time to make: once for all tests.
struct Pki {
  tls::TestAuthority root{"root"}, other{"other"};
  tls::Certificate leaf = root.Issue({.dns_names = {"bench.test"}});
  static const Pki& Get() {
    static const Pki pki;
    return pki;
  }
};

// At the virtual time 0.
WallClock TestClock() { return {.offset_nanos = tls::kTestNow * 1'000'000'000}; }

struct Secure : Both {
  explicit Secure(const BackendOptions& options, const std::string& ca = Pki::Get().root.pem())
      : Both(options) {
    auto made = MakeTlsContexts({.ca = ca, .certificate = Pki::Get().leaf});
    CHECK(made.ok());
    contexts = *std::move(made);
    UseTls(TestClock(), contexts);
  }
  RunResult Run(const RunOptions& options) {
    client.tls()->set_client(ClientOf(options, contexts));
    return Both::Run(options);
  }
  uint64_t backend_handshakes() { return server.tls()->counters().handshakes_done; }

  TlsContexts contexts;
};

TEST(LoadTls, KeepAliveTakesOneFullHandshakeForEachConnection) {
  Secure both({.response_bytes = 64});
  const RunOptions options{.tls = ClientTls::kFull,
                           .sni = "bench.test",
                           .connections = 8,
                           .warmup = Duration::Millis(10),
                           .duration = Duration::Millis(100)};
  const RunResult r = both.Run(options);
  EXPECT_EQ("", r.problem);
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_EQ(8u, r.tls.full);
  EXPECT_EQ(0u, r.tls.resumed);
  EXPECT_EQ(0u, r.tls.failed);
  EXPECT_EQ("TLS_AES_128_GCM_SHA256", r.tls.cipher);
  EXPECT_EQ(8u, both.backend_handshakes());
  // As without TLS: the round trip bounds it, since records take no virtual time.
  EXPECT_GT(r.requests, 6'000u);
  EXPECT_EQ(r.requests * 64, r.body_bytes);
  EXPECT_GE(both.server.tls()->counters().records_in, r.requests);
}

TEST(LoadTls, OpenLoopWithAConnectionForEachRequest) {
  Secure both({.response_bytes = 100});
  const RunResult r = both.Run({.tls = ClientTls::kFull,
                                .connections = 16,
                                .rate = 1'000,
                                .reuse = Reuse::kPerRequest,
                                .warmup = {},
                                .duration = Duration::Millis(100)});
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_EQ(100u, r.latency.count());
  EXPECT_EQ(r.requests_total, r.tls.full);
  EXPECT_EQ(r.requests_total, r.connections_opened);
  EXPECT_EQ(0u, r.tls.resumed);
  EXPECT_EQ(0u, both.backend.connection_count());
  EXPECT_GE(r.latency.min(), Duration::Micros(300));       // TCP's handshake, TLS's, the request
  EXPECT_EQ(0u, both.server.tls()->counters().truncated);  // every end was told
}

TEST(LoadTls, ClosedLoopResumesWhenAskedTo) {
  Secure both({.response_bytes = 100});
  const RunResult r = both.Run({.tls = ClientTls::kResume,
                                .connections = 2,
                                .reuse = Reuse::kPerRequest,
                                .warmup = {},
                                .duration = Duration::Millis(20)});
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_GT(r.tls.resumed, 10u);
  EXPECT_LE(r.tls.full, 4u);  // until the first tickets have come
  EXPECT_EQ(r.tls.full + r.tls.resumed, r.connections_opened);
}

TEST(LoadTls, BodiesOfAMegabyteBothWays) {
  Secure both({.response_bytes = 1 << 20});
  const RunResult r = both.Run({.tls = ClientTls::kFull,
                                .connections = 2,
                                .warmup = {},
                                .duration = Duration::Millis(20),
                                .request_bytes = 1 << 20});
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_GT(r.requests, 3u);
  EXPECT_EQ(r.requests << 20, r.body_bytes);
  EXPECT_EQ(0u, both.backend.bad_requests());
}

TEST(LoadTls, ARunMayBePlainAgain) {
  Both both({.response_bytes = 64});
  auto contexts = MakeTlsContexts({.certificate = Pki::Get().leaf});
  ASSERT_TRUE(contexts.ok());
  both.UseTls(TestClock(), *contexts);
  both.server.tls()->set_server(nullptr);
  const RunOptions options{.connections = 2, .warmup = {}, .duration = Duration::Millis(10)};
  const RunResult r = both.Run(options);
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_GT(r.requests, 50u);
  EXPECT_NE(std::string::npos, ToJson(options, r, {}).find("\"tls\":{\"mode\":\"off\""));
  EXPECT_EQ(std::string::npos, ToText(options, r, {}).find("handshakes"));
}

// Goal: handshakes that fail are counted as what they are, not as requests. Table: whom the client
// trusts, and the name it wants.
TEST(LoadTls, FailedHandshakesAreCounted) {
  const struct {
    const char* name;
    std::string ca, sni;
    bool good;
  } rows[] = {{"good", Pki::Get().root.pem(), "bench.test", true},
              {"nobody is asked", "", "other.test", true},
              {"another authority", Pki::Get().other.pem(), "bench.test", false},
              {"another name", Pki::Get().root.pem(), "other.test", false}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    Secure both({.response_bytes = 64}, row.ca);
    const RunOptions options{.tls = ClientTls::kFull,
                             .sni = row.sni,
                             .connections = 2,
                             .warmup = {},
                             .duration = Duration::Millis(10),
                             .connect_timeout = Duration::Millis(20)};
    const RunResult r = both.Run(options);
    EXPECT_EQ(row.good, r.problem.empty());
    EXPECT_EQ(row.good, r.tls.failed == 0);
    EXPECT_EQ(r.tls.failed, r.errors.handshake);
    EXPECT_EQ(row.good ? 2u : 0u, r.tls.full);
    EXPECT_EQ(0u, r.errors.connect);
    EXPECT_NE(std::string::npos,
              ToText(options, r, {}).find(row.good ? "2 full handshakes" : "handshakes failed"));
  }
}

// The backend speaks plainly: what it answers is no TLS.
TEST(LoadTls, AServerWithoutTls) {
  Secure both({.response_bytes = 64});
  both.server.tls()->set_server(nullptr);
  const RunResult r = both.Run({.tls = ClientTls::kFull,
                                .connections = 1,
                                .warmup = {},
                                .duration = Duration::Millis(10),
                                .connect_timeout = Duration::Millis(20)});
  EXPECT_NE("", r.problem);
  EXPECT_GT(r.errors.handshake, 0u);
  EXPECT_EQ(0u, r.tls.full);
}

// Goal: nothing leaks. Method: as in load_test.cc, stopped in the middle.
TEST(LoadTls, GivesAllPacketsBack) {
  packet::HeapPacketPool pool;
  Handshakes handshakes(0);
  Instant now = Instant::FromNanos(1);
  const auto contexts = MakeTlsContexts({.certificate = Pki::Get().leaf});
  ASSERT_TRUE(contexts.ok());
  RunOptions options{.target = {*IpAddr::Parse("10.0.0.2"), 80},
                     .tls = ClientTls::kFull,
                     .connections = 8,
                     .warmup = {},
                     .duration = Duration::Seconds(1),
                     .request_bytes = 10'000};
  {
    WirePort a(&now, Duration::Micros(50), &pool), b(&now, Duration::Micros(50), &pool);
    a.Join(&b);
    Stack client(Side("10.0.0.1", 1, 0), &a, &pool, now);
    Stack server(Side("10.0.0.2", 2, 80), &b, &pool, now);
    client.UseTls(TestClock(), handshakes.client(), now);
    client.tls()->set_client(ClientOf(options, *contexts));
    server.UseTls(TestClock(), handshakes.server(), now);
    server.tls()->set_server(contexts->server);
    Backend backend({.response_bytes = 100'000}, &server);
    Generator generator(options, &client, now);
    for (int i = 0; i < 1'000; ++i) {
      client.Receive(now);
      generator.Turn(now);
      client.Transmit(now);
      server.Receive(now);
      backend.Turn(now);
      server.Transmit(now);
      now = now + Duration::Micros(10);
    }
    EXPECT_FALSE(generator.done());
    EXPECT_GT(backend.requests(), 8u);
  }
  EXPECT_EQ(0, pool.outstanding());
}

TEST(LoadTls, Options) {
  const std::vector<std::string> base = {"--client-device", "veth:a",   "--client-address",
                                         "10.0.0.1",        "--target", "10.0.0.2:443"};
  const auto parse = [&base](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return ParseOptions(more);
  };
  const auto o = parse({"--tls", "resume", "--tls-sni", "a.test", "--tls-ca", "/ca", "--tls-cert",
                        "/c", "--tls-key", "/k", "--backend-tls", "--tls-threads", "2"});
  ASSERT_TRUE(o.ok()) << o.status().message();
  EXPECT_EQ(ClientTls::kResume, o->run.tls);
  EXPECT_EQ("a.test", o->run.sni);
  EXPECT_EQ("/ca", o->process.tls.ca);
  EXPECT_EQ("/c", o->process.tls.certificate);
  EXPECT_EQ("/k", o->process.tls.key);
  EXPECT_EQ("TLS_AES_128_GCM_SHA256", o->process.tls.suites);
  EXPECT_TRUE(o->process.backend_tls);
  EXPECT_EQ(2, o->process.tls_threads);
  EXPECT_EQ(ClientTls::kOff, ParseRun("--tls=off", o->run)->tls);
  EXPECT_EQ(ClientTls::kResume, ParseRun("--rate=5", o->run)->tls);
  const std::vector<std::vector<std::string>> rows = {
      {"--tls", "on"},   {"--tls-cert", "/c"},    {"--tls-key", "/k"},
      {"--backend-tls"}, {"--tls-threads", "17"}, {"--tls-threads", "-1"}};
  for (const auto& row : rows) EXPECT_FALSE(parse(row).ok()) << row.back();
}

}  // namespace
}  // namespace meltemi::load
