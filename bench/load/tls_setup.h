// What meltemi-load's TLS is made of: contexts out of PEM texts, and who computes handshakes.
// Always TLS 1.3, with the same cipher suite towards every server: that is what makes proxies
// comparable. Pure but for the threads of Handshakes.
#ifndef MELTEMI_BENCH_LOAD_TLS_SETUP_H_
#define MELTEMI_BENCH_LOAD_TLS_SETUP_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/load/generator.h"
#include "bench/load/tls_streams.h"
#include "dataplane/tls/context.h"
#include "dataplane/tls/handshake_threads.h"
#include "dataplane/tls/synchronous_handshakes.h"

namespace meltemi::load {

struct TlsTexts {
  std::string ca;                // whom the client trusts; empty: whoever answers
  tls::Certificate certificate;  // the backend's, and of a client that is asked for one
  std::string suites = "TLS_AES_128_GCM_SHA256";  // of TLS 1.3, OpenSSL's syntax
};

struct TlsContexts {
  tls::ContextRef full, resume;  // the client's, by ClientTls
  tls::ContextRef server;        // null without a certificate
};

absl::StatusOr<TlsContexts> MakeTlsContexts(const TlsTexts& texts);

// How the connections of a run begin: plain when it has no TLS.
TlsClient ClientOf(const RunOptions& run, const TlsContexts& contexts);

// On the load thread itself, one handshake a turn: packets are looked at between two of them.
class OneHandshakeATurn final : public tls::HandshakeRunner {
 public:
  ~OneHandshakeATurn() override = default;
  bool Submit(std::unique_ptr<tls::Handshake>& handshake) override {
    return all_.Submit(handshake);
  }
  // Tls takes until there is none.
  std::unique_ptr<tls::Handshake> Take() override {
    if (std::exchange(taken_, false)) return nullptr;
    std::unique_ptr<tls::Handshake> one = all_.Take();
    taken_ = one != nullptr;
    return one;
  }
  bool ready() const override { return all_.ready(); }

 private:
  tls::SynchronousHandshakes all_;
  bool taken_ = false;
};

// The runners of both sides.
class Handshakes {
 public:
  // 0 threads: on the load thread.
  explicit Handshakes(int threads) {
    if (threads > 0) threads_.emplace(threads, std::vector<shared::Doorbell*>(2, nullptr));
  }
  tls::HandshakeRunner* client() { return threads_ ? threads_->runner(0) : &client_; }
  tls::HandshakeRunner* server() { return threads_ ? threads_->runner(1) : &server_; }

 private:
  std::optional<tls::HandshakeThreads> threads_;
  OneHandshakeATurn client_, server_;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_TLS_SETUP_H_
