#include "dataplane/tls/testing/record_ends.h"

#include <openssl/ssl.h>

#include <utility>

#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

TlsOptions Options(AeadKind aead) {
  TlsOptions options = TestOptions();
  options.session_count_max = 100'000;
  options.aead = aead;
  return options;
}

}  // namespace

const BenchPki& BenchPki::Get() {
  static const BenchPki pki;
  return pki;
}

ContextRef BenchServer(const std::string& suite, VerifyPeer verify, uint32_t sessions) {
  return *MakeServerContext({.common = {.verify = verify,
                                        .trust = {{.pem = BenchPki::Get().root.pem()}},
                                        .cipher_suites_13 = suite},
                             .certificates = {{{}, BenchPki::Get().server}},
                             .session_count_max = sessions});
}
ContextRef BenchClient(const std::string& suite, const Certificate& certificate, bool resume) {
  return *MakeClientContext({.common = {.verify = VerifyPeer::kRequired,
                                        .trust = {{.pem = BenchPki::Get().root.pem()}},
                                        .cipher_suites_13 = suite},
                             .certificate = certificate,
                             .resume = resume});
}

OwnEnds::OwnEnds(const std::string& suite, int pair_count, AeadKind aead)
    : timers_(Instant()), tls_(Options(aead), &pool_, &timers_, &runner_, Instant()) {
  const ContextRef server = BenchServer(suite, VerifyPeer::kNo, 0);
  const ContextRef client = BenchClient(suite, {}, false);
  for (int i = 0; i < pair_count; ++i) {
    ids_.push_back(tls_.Accept(server, 2 * i, Instant()));
    ids_.push_back(tls_.Connect(client, {}, 2 * i + 1, Instant()));
    Shake();
  }
}

void OwnEnds::Shake() {
  for (int round = 0; round < 6; ++round) {
    tls_.Poll(Instant(), &events_);
    std::vector<TlsEvent> now = std::exchange(events_, {});
    for (TlsEvent& event : now) {
      CHECK(event.kind != TlsEvent::Kind::kError);
      if (event.kind == TlsEvent::Kind::kWrite) {
        tls_.Receive(ids_[event.cookie ^ 1], std::move(event.bytes), Instant(), &events_);
      }
    }
  }
  events_.clear();
}

void OwnEnds::Exchange(size_t pair, uint32_t bytes) {
  Chain records;
  CHECK(tls_.Seal(ids_[2 * pair], Chain(pool_.Allocate(bytes)), &records));
  tls_.Receive(ids_[2 * pair + 1], std::move(records), Instant(), &events_);
  CHECK(events_.size() == 1 && events_[0].bytes.size() == bytes);
  events_.clear();
}

OpenSslEnds::OpenSslEnds(const std::string& suite, uint32_t bytes_max)
    : server_({.server = true, .certificate = BenchPki::Get().server, .suite = suite}),
      client_({.suite = suite}),
      plain_(bytes_max, 'p'),
      out_(bytes_max, '\0') {
  for (int round = 0; round < 3; ++round) {
    server_.Receive(client_.Take());
    client_.Receive(server_.Take());
  }
  CHECK(server_.done() && client_.done());
  // One's output is the other's input: no copy between that we would not make.
  BIO* wire = BIO_new(BIO_s_mem());
  BIO_up_ref(wire);
  SSL_set0_wbio(server_.ssl.get(), wire);
  SSL_set0_rbio(client_.ssl.get(), wire);
  // As nginx has it: a record takes one read of the BIO instead of two.
  SSL_set_read_ahead(client_.ssl.get(), 1);
}

void OpenSslEnds::Exchange(uint32_t bytes) {
  const auto n = static_cast<int>(bytes);
  CHECK(SSL_write(server_.ssl.get(), plain_.data(), n) == n);
  CHECK(SSL_read(client_.ssl.get(), out_.data(), n) == n);
}

}  // namespace meltemi::tls
