// Records and handshakes against OpenSSL's own, in the same run.
//
//   Own/N, OpenSsl/N      seal and open one record of N bytes: testing/record_ends.h. Both TLS 1.3,
//                         AES-128-GCM. In rounds, with the goal: record_ratio.cc
//   Own256/N, OpenSsl256/N  the same with AES-256-GCM
//   Aead/N                the engine alone
//   Idle/K                as Own/64 over K sessions in turn: what an expanded key made anew costs
//   Handshake...          both ends of one handshake on one thread: full, mutual, resumed
#include <benchmark/benchmark.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tls/aead.h"
#include "dataplane/tls/openssl_library.h"
#include "dataplane/tls/parsed_certificates.h"
#include "dataplane/tls/testing/certificates.h"
#include "dataplane/tls/testing/openssl_peer.h"
#include "dataplane/tls/testing/record_ends.h"
#include "dataplane/tls/testing/tls_end.h"

namespace meltemi::tls {
namespace {

void OwnRecords(benchmark::State& state, const char* suite, AeadKind aead) {
  OwnEnds ends(suite, 1, aead);
  const auto bytes = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) ends.Exchange(0, bytes);
  state.SetBytesProcessed(state.iterations() * bytes);
}

void OpenSslRecords(benchmark::State& state, const char* suite) {
  const auto bytes = static_cast<uint32_t>(state.range(0));
  OpenSslEnds ends(suite, bytes);
  for (auto _ : state) ends.Exchange(bytes);
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
  OwnEnds ends("TLS_AES_128_GCM_SHA256", static_cast<int>(state.range(0)));
  size_t pair = 0;
  for (auto _ : state) {
    ends.Exchange(pair, 64);
    pair = pair + 1 == ends.pair_count() ? 0 : pair + 1;
  }
  state.counters["keys_expanded"] = benchmark::Counter(
      static_cast<double>(ends.counters().keys_expanded), benchmark::Counter::kAvgIterations);
}

enum class Kind { kFull, kMutual, kResumed };

// Both ends are ours: Tls, SynchronousHandshakes.
void OwnHandshake(benchmark::State& state, Kind kind) {
  const bool mutual = kind != Kind::kFull, resumed = kind == Kind::kResumed;
  const ContextRef server =
      BenchServer("", mutual ? VerifyPeer::kRequired : VerifyPeer::kNo, resumed ? 100 : 0);
  const ContextRef client =
      BenchClient("", mutual ? BenchPki::Get().client : Certificate(), resumed);
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
  const std::string trust = BenchPki::Get().root.pem();
  OpenSslPeer server({.server = true,
                      .certificate = BenchPki::Get().server,
                      .trust_pem = mutual ? trust : "",
                      .tickets = resumed ? 1 : 0});
  OpenSslPeer client(
      {.certificate = mutual ? BenchPki::Get().client : Certificate(), .trust_pem = trust});
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
void Parse(benchmark::State& state, OSSL_LIB_CTX* library, bool kept) {
  ParsedCertificates parsed;
  std::optional<ParsedCertificates::Scope> scope;
  if (kept) scope.emplace(&parsed);
  const std::string& pem = BenchPki::Get().client.chain_pem;
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
BENCHMARK_CAPTURE(Parse, openssl, nullptr, false);
BENCHMARK_CAPTURE(Parse, narrowed, TlsLibrary(), false);
BENCHMARK_CAPTURE(Parse, kept, TlsLibrary(), true);
BENCHMARK_CAPTURE(OwnHandshake, full, Kind::kFull)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OwnHandshake, mutual, Kind::kMutual)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OwnHandshake, resumed, Kind::kResumed)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OpenSslHandshake, full, Kind::kFull)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OpenSslHandshake, mutual, Kind::kMutual)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OpenSslHandshake, resumed, Kind::kResumed)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace meltemi::tls
