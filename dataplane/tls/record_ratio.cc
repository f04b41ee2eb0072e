// What our records cost beside OpenSSL's: rounds of each in turn, so that a busy machine is busy
// for all of them, and the medians over the rounds.
//
//   ours     Tls::Seal and Tls::Receive, with a buffer of the pool and the event
//   engine   the AEAD alone, of as many bytes: what `ours` cannot be below
//   openssl  SSL_write and SSL_read over memory BIOs
//   ratio    openssl / ours;  limit: openssl / engine, the ratio if our part were free
//
// record_ratio [ROUNDS]. Fails when a ratio is below its goal.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/tls/aead.h"
#include "dataplane/tls/testing/record_ends.h"
#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

struct Row {
  uint32_t bytes;
  double goal;  // 0: none
};
constexpr Row kRows[] = {{64, 8.0}, {256, 0}, {1024, 0}, {1400, 0}, {4096, 0}, {16'384, 1.4}};
constexpr auto kRound = std::chrono::microseconds(500);

// Nanoseconds of one call, from so many that they take a round.
template <typename F>
double Measure(int count, F&& f) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) f();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / count;
}
template <typename F>
int CountOfARound(F&& f) {
  Measure(1000, f);
  const double nanoseconds = Measure(1000, f);
  return std::max(1, static_cast<int>(std::chrono::nanoseconds(kRound).count() / nanoseconds));
}

double Median(std::vector<double>* values) {
  std::sort(values->begin(), values->end());
  return (*values)[values->size() / 2];
}

// The engine alone: the inner plaintext is a byte longer than what it carries.
class Engine {
 public:
  explicit Engine(uint32_t bytes) : n_(bytes + 1), record_(n_ + kTagBytes) {
    const std::array<uint8_t, 16> key{};
    aead_->SetKey(0, AeadAlgorithm::kAes128Gcm, key.data());
  }
  void Exchange() {
    aead_->SealRecord(0, nonce_.data(), header_.data(), record_.data(), n_);
    CHECK(aead_->OpenRecord(0, nonce_.data(), header_.data(), record_.data(), n_));
  }

 private:
  const std::unique_ptr<Aead> aead_ = MakeIpsecMbAead();
  const uint32_t n_;
  std::vector<uint8_t> record_;
  alignas(16) std::array<uint8_t, 16> nonce_{}, header_{};
};

// False: below its goal.
bool Compare(const Row& row, int rounds) {
  constexpr char kSuite[] = "TLS_AES_128_GCM_SHA256";
  OwnEnds own_ends(kSuite, 1);
  OpenSslEnds openssl_ends(kSuite, row.bytes);
  Engine engine_alone(row.bytes);
  const auto own = [&] { own_ends.Exchange(0, row.bytes); };
  const auto openssl = [&] { openssl_ends.Exchange(row.bytes); };
  const auto engine = [&] { engine_alone.Exchange(); };
  const int own_count = CountOfARound(own), openssl_count = CountOfARound(openssl),
            engine_count = CountOfARound(engine);
  std::vector<double> a, b, c;
  for (int round = 0; round < rounds; ++round) {
    a.push_back(Measure(own_count, own));
    b.push_back(Measure(openssl_count, openssl));
    c.push_back(Measure(engine_count, engine));
  }
  const double ours = Median(&a), theirs = Median(&b), alone = Median(&c);
  const double ratio = theirs / ours;
  std::printf("%6u  %8.1f  %8.1f  %8.1f  %5.1f  %5.1f  %4.1f\n", row.bytes, ours, alone, theirs,
              ratio, theirs / alone, row.goal);
  return ratio >= row.goal;
}

}  // namespace
}  // namespace meltemi::tls

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 301;
  CHECK(rounds > 0);
  std::printf(" bytes   ours ns    engine   openssl  ratio  limit  goal\n");
  bool reached = true;
  for (const auto& row : meltemi::tls::kRows) reached &= meltemi::tls::Compare(row, rounds);
  return reached ? 0 : 1;
}
