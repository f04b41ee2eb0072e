// Records and handshakes against OpenSSL's own, in the same run.
//
//   Own/N, OpenSsl/N      seal and open one record of N bytes: Tls::Seal and Tls::Receive, against
//                         SSL_write and SSL_read over memory BIOs. Both TLS 1.3, AES-128-GCM.
//   Own256/N, OpenSsl256/N  the same with AES-256-GCM
//   Aead/N                the engine alone
//   Idle/K                as Own/64 over K sessions in turn: what an expanded key made anew costs
//   Handshake...          both ends of one handshake on one thread: full, mutual, resumed
#include <benchmark/benchmark.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tls/aead.h"
#include "dataplane/tls/openssl_library.h"
#include "dataplane/tls/testing/certificates.h"
#include "dataplane/tls/testing/openssl_peer.h"
#include "dataplane/tls/testing/tls_end.h"

namespace meltemi::tls {
namespace {

// A free list of one size, like the cache of a worker's pool: 16 KB and a packet's headroom.
class BenchPool final : public BufferPool {
 public:
  ~BenchPool() override {
    for (Buffer* buffer : free_) {
      delete[] buffer->memory;
      delete buffer;
    }
  }
  Slice Allocate(uint32_t size) override {
    if (free_.empty()) {
      free_.push_back(new Buffer{.memory = new uint8_t[kRoom], .capacity = kRoom, .pool = this});
    }
    Buffer* buffer = free_.back();
    free_.pop_back();
    return Slice(buffer, buffer->memory + kHeadroom, size);
  }
  uint32_t allocation_max() const override { return kRoom - kHeadroom; }
  void Release(Buffer* buffer) override { free_.push_back(buffer); }

 private:
  static constexpr uint32_t kHeadroom = 128;
  static constexpr uint32_t kRoom = 16'384 + 2 * kHeadroom;
  std::vector<Buffer*> free_;
};

struct Pki {
  TestAuthority root{"root"};
  Certificate server = root.IssueSpiffe("server");
  Certificate client = root.IssueSpiffe("client");
  static const Pki& Get() {
    static const Pki pki;
    return pki;
  }
};

ContextRef Server(const std::string& suite, VerifyPeer verify, uint32_t sessions) {
  return *MakeServerContext({.common = {.verify = verify,
                                        .trust = {{.pem = Pki::Get().root.pem()}},
                                        .cipher_suites_13 = suite},
                             .certificates = {{{}, Pki::Get().server}},
                             .session_count_max = sessions});
}
ContextRef Client(const std::string& suite, const Certificate& certificate, bool resume) {
  return *MakeClientContext({.common = {.verify = VerifyPeer::kRequired,
                                        .trust = {{.pem = Pki::Get().root.pem()}},
                                        .cipher_suites_13 = suite},
                             .certificate = certificate,
                             .resume = resume});
}

// Pairs of sessions in one Tls, past their handshakes.
struct Pairs {
  Pairs(const std::string& suite, int count, AeadKind aead = AeadKind::kIpsecMb)
      : timers(Instant()), tls(Options(aead), &pool, &timers, &runner, Instant()) {
    const ContextRef server = Server(suite, VerifyPeer::kNo, 0);
    const ContextRef client = Client(suite, {}, false);
    for (int i = 0; i < count; ++i) {
      ids.push_back(tls.Accept(server, 2 * i, Instant()));
      ids.push_back(tls.Connect(client, {}, 2 * i + 1, Instant()));
      Shake();
    }
  }
  static TlsOptions Options(AeadKind aead) {
    TlsOptions options = TestOptions();
    options.session_count_max = 100'000;
    options.aead = aead;
    return options;
  }
  void Shake() {
    for (int round = 0; round < 6; ++round) {
      tls.Poll(Instant(), &events);
      std::vector<TlsEvent> now = std::exchange(events, {});
      for (TlsEvent& event : now) {
        CHECK(event.kind != TlsEvent::Kind::kError);
        if (event.kind == TlsEvent::Kind::kWrite) {
          tls.Receive(ids[event.cookie ^ 1], std::move(event.bytes), Instant(), &events);
        }
      }
    }
    events.clear();
  }
  // One record from an end to the other.
  void Record(size_t pair, uint32_t bytes) {
    Slice plain = pool.Allocate(bytes);
    Chain records;
    CHECK(tls.Seal(ids[2 * pair], Chain(std::move(plain)), &records));
    tls.Receive(ids[2 * pair + 1], std::move(records), Instant(), &events);
    CHECK(events.size() == 1 && events[0].bytes.size() == bytes);
    events.clear();
  }

  BenchPool pool;
  TimerWheel timers;
  SynchronousHandshakes runner;
  Tls tls;
  std::vector<TlsId> ids;
  std::vector<TlsEvent> events;
};

void OwnRecords(benchmark::State& state, const char* suite, AeadKind aead) {
  Pairs pairs(suite, 1, aead);
  const auto bytes = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) pairs.Record(0, bytes);
  state.SetBytesProcessed(state.iterations() * bytes);
}

void OpenSslRecords(benchmark::State& state, const char* suite) {
  OpenSslPeer server({.server = true, .certificate = Pki::Get().server, .suite = suite});
  OpenSslPeer client({.suite = suite});
  for (int round = 0; round < 3; ++round) {
    server.Receive(client.Take());
    client.Receive(server.Take());
  }
  CHECK(server.done() && client.done());
  // One's output is the other's input: no copy between that we would not make.
  BIO* wire = BIO_new(BIO_s_mem());
  BIO_up_ref(wire);
  SSL_set0_wbio(server.ssl.get(), wire);
  SSL_set0_rbio(client.ssl.get(), wire);
  const auto bytes = static_cast<int>(state.range(0));
  std::string plain(bytes, 'p'), out(bytes, '\0');
  for (auto _ : state) {
    CHECK(SSL_write(server.ssl.get(), plain.data(), bytes) == bytes);
    CHECK(SSL_read(client.ssl.get(), out.data(), bytes) == bytes);
  }
  state.SetBytesProcessed(state.iterations() * bytes);
}

void AeadAlone(benchmark::State& state, std::unique_ptr<Aead> (*make)()) {
  const auto aead = make();
  const std::string key(32, 'k'), nonce(12, 'n'), aad(5, 'a');
  const auto* k = reinterpret_cast<const uint8_t*>(key.data());
  aead->SetKey(0, AeadAlgorithm::kAes128Gcm, k);
  std::string message(static_cast<size_t>(state.range(0)), 'm');
  auto* m = reinterpret_cast<uint8_t*>(message.data());
  const Piece piece{.in = m, .out = m, .size = static_cast<uint32_t>(message.size())};
  const AeadInput input{.nonce = reinterpret_cast<const uint8_t*>(nonce.data()),
                        .aad = {reinterpret_cast<const uint8_t*>(aad.data()), 5},
                        .pieces = {&piece, 1}};
  uint8_t tag[kTagBytes];
  for (auto _ : state) {
    aead->Seal(0, input, tag);
    CHECK(aead->Open(0, input, tag));
  }
}

void Idle(benchmark::State& state) {
  Pairs pairs("TLS_AES_128_GCM_SHA256", static_cast<int>(state.range(0)));
  size_t pair = 0;
  for (auto _ : state) {
    pairs.Record(pair, 64);
    pair = pair + 1 == pairs.ids.size() / 2 ? 0 : pair + 1;
  }
  state.counters["keys_expanded"] = benchmark::Counter(
      static_cast<double>(pairs.tls.counters().keys_expanded), benchmark::Counter::kAvgIterations);
}

enum class Kind { kFull, kMutual, kResumed };

// Both ends are ours: Tls, SynchronousHandshakes.
void OwnHandshake(benchmark::State& state, Kind kind) {
  const bool mutual = kind != Kind::kFull, resumed = kind == Kind::kResumed;
  const ContextRef server =
      Server("", mutual ? VerifyPeer::kRequired : VerifyPeer::kNo, resumed ? 100 : 0);
  const ContextRef client = Client("", mutual ? Pki::Get().client : Certificate(), resumed);
  TlsEnd a, b;
  const auto shake = [&] {
    a.Again();
    b.Again();
    a.Accept(server);
    b.Connect(client, {.sni = "a"});
    Pump(&a, &b);
    CHECK(a.seen.info != nullptr && b.seen.info != nullptr);
  };
  shake();
  for (auto _ : state) shake();
  CHECK(a.seen.info->resumed == resumed);
  state.SetItemsProcessed(state.iterations());
}

void OpenSslHandshake(benchmark::State& state, Kind kind) {
  const bool mutual = kind != Kind::kFull, resumed = kind == Kind::kResumed;
  const std::string trust = Pki::Get().root.pem();
  OpenSslPeer server({.server = true,
                      .certificate = Pki::Get().server,
                      .trust_pem = mutual ? trust : "",
                      .tickets = resumed ? 1 : 0});
  OpenSslPeer client(
      {.certificate = mutual ? Pki::Get().client : Certificate(), .trust_pem = trust});
  const auto shake = [&] {
    server.Begin();
    client.Begin();
    for (int round = 0; round < 3; ++round) {
      server.Receive(client.Take());
      client.Receive(server.Take());
    }
    CHECK(server.done() && client.done());
  };
  shake();
  for (auto _ : state) shake();
  CHECK(SSL_session_reused(server.ssl.get()) == (resumed ? 1 : 0));
  state.SetItemsProcessed(state.iterations());
}

// A peer's certificate, as libssl reads it in each full handshake.
void Parse(benchmark::State& state, OSSL_LIB_CTX* library) {
  const std::string& pem = Pki::Get().client.chain_pem;
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* made = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  uint8_t* der = nullptr;
  const int n = i2d_X509(made, &der);
  for (auto _ : state) {
    X509* certificate = X509_new_ex(library, nullptr);
    const uint8_t* at = der;
    CHECK(d2i_X509(&certificate, &at, n) != nullptr);
    X509_free(certificate);
  }
  OPENSSL_free(der);
  X509_free(made);
  BIO_free(bio);
}

constexpr char k128[] = "TLS_AES_128_GCM_SHA256";
constexpr char k256[] = "TLS_AES_256_GCM_SHA384";

void Sizes(benchmark::internal::Benchmark* b) {
  for (const int n : {64, 256, 1024, 1400, 4096, 16'384}) b->Arg(n);
}

BENCHMARK_CAPTURE(OwnRecords, aes128, k128, AeadKind::kIpsecMb)->Apply(Sizes);
BENCHMARK_CAPTURE(OpenSslRecords, aes128, k128)->Apply(Sizes);
BENCHMARK_CAPTURE(OwnRecords, aes256, k256, AeadKind::kIpsecMb)->Apply(Sizes);
BENCHMARK_CAPTURE(OpenSslRecords, aes256, k256)->Apply(Sizes);
BENCHMARK_CAPTURE(OwnRecords, aes128_openssl_engine, k128, AeadKind::kOpenSsl)->Apply(Sizes);
BENCHMARK_CAPTURE(AeadAlone, ipsec_mb, &MakeIpsecMbAead)->Apply(Sizes);
BENCHMARK_CAPTURE(AeadAlone, openssl, &MakeOpenSslAead)->Apply(Sizes);
BENCHMARK(Idle)->Arg(1)->Arg(100)->Arg(2000)->Arg(4000);
BENCHMARK_CAPTURE(Parse, openssl, nullptr);
BENCHMARK_CAPTURE(Parse, narrowed, TlsLibrary());
BENCHMARK_CAPTURE(OwnHandshake, full, Kind::kFull)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OwnHandshake, mutual, Kind::kMutual)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OwnHandshake, resumed, Kind::kResumed)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OpenSslHandshake, full, Kind::kFull)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OpenSslHandshake, mutual, Kind::kMutual)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OpenSslHandshake, resumed, Kind::kResumed)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace meltemi::tls
