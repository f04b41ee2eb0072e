#include "dataplane/tls/handshake.h"

#include <utility>

#include "dataplane/tls/handshake_runner.h"
#include "dataplane/tls/record_layer.h"
#include "dataplane/tls/wipe.h"
#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

// Records of the protected type in `bytes`, which are whole records that OpenSSL wrote.
uint64_t CountProtected(std::string_view bytes) {
  uint64_t count = 0;
  while (!bytes.empty()) {
    CHECK(bytes.size() >= kRecordHeaderBytes);
    const auto at = [&bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
    const size_t record = kRecordHeaderBytes + (size_t{at(3)} << 8 | at(4));
    CHECK(bytes.size() >= record);
    count += at(0) == static_cast<uint8_t>(ContentType::kApplicationData);
    bytes.remove_prefix(record);
  }
  return count;
}

// RFC 8446 6.2, of what CheckPeer says.
Alert AlertOf(TlsError error) {
  if (error == TlsError::kPeerCertificateMissing) return Alert::kCertificateRequired;
  if (error == TlsError::kPeerCertificateExpired) return Alert::kCertificateExpired;
  return Alert::kCertificateUnknown;
}

}  // namespace

HandshakeRunner::~HandshakeRunner() = default;

Handshake::~Handshake() {
  Wipe(read_secret.data(), read_secret.size());
  Wipe(write_secret.data(), write_secret.size());
}

std::unique_ptr<Handshake> Handshake::MakeDone(TlsId id, Suite suite,
                                               const std::array<uint8_t, 48>& read_secret,
                                               const std::array<uint8_t, 48>& write_secret) {
  auto handshake = std::make_unique<Handshake>(id, SslOptions{});
  handshake->state_ = State::kDone;
  handshake->info = std::make_unique<HandshakeInfo>();
  handshake->own_records = true;
  handshake->suite = suite;
  handshake->read_secret = read_secret;
  handshake->write_secret = write_secret;
  return handshake;
}

void Handshake::Run(PeerCertificates* certificates) {
  if (state_ == State::kTickets) return ReadTickets();
  CHECK(state_ == State::kRunning);
  if (ssl_ == nullptr) {
    role_ = options_.context->role;
    resume_ = options_.context->resume;
    ssl_ = std::make_unique<SslConnection>(std::move(options_));
  }
  ssl_->Feed(in);
  in.clear();
  const uint32_t parsed_before = certificates->parsed.parsed_count();
  const SslConnection::Result result = ssl_->DoHandshake(unix_seconds_, certificates);
  certificates_parsed += certificates->parsed.parsed_count() - parsed_before;
  certificates_verified = ssl_->certificates_verified();
  certificates_known = ssl_->certificates_known();
  ssl_->TakeOutput(&out);
  switch (result) {
    case SslConnection::Result::kWantInput:
      break;
    case SslConnection::Result::kDone:
      Finish();
      break;
    case SslConnection::Result::kClosed:
      Fail({.error = TlsError::kHandshakeFailed, .detail = "closed during the handshake"});
      break;
    case SslConnection::Result::kFailed:
      Fail(ssl_->failure());
      break;
  }
}

void Handshake::Finish() {
  info = ssl_->Info();
  own_records = ssl_->OwnRecords(&suite);
  if (own_records) TakeSecrets();
  SslConnection::Failure failure = ssl_->CheckPeer(unix_seconds_, info->peer);
  if (failure.error != TlsError::kNone) return Refuse(std::move(failure));
  session = ssl_->TakeSession();  // TLS 1.2
  state_ = State::kDone;
  if (!own_records) {
    connection = std::move(ssl_);
    return;
  }
  // OpenSSL reads record by record: what it has not asked for lies untouched.
  leftover = ssl_->TakeLeftover();
  if (role_ == Role::kClient && resume_) {
    state_ = State::kTickets;
  } else {
    ssl_.reset();
  }
}

void Handshake::TakeSecrets() {
  const bool server = role_ == Role::kServer;
  read_secret = server ? ssl_->secrets().client : ssl_->secrets().server;
  write_secret = server ? ssl_->secrets().server : ssl_->secrets().client;
  // A server's tickets follow the client's Finished, in the last trip, alone (RFC 8446 4.6.1). A
  // client's last trip is its Finished, under the handshake's key.
  write_sequence = server ? CountProtected(out) : 0;
}

// The handshake is over for OpenSSL, which has no way to send a fatal alert then. Where records are
// its own it says close_notify, for want of a better word.
void Handshake::Refuse(SslConnection::Failure failure) {
  if (own_records) {
    alert = AlertOf(failure.error);
  } else {
    ssl_->WriteCloseNotify();
    ssl_->TakeOutput(&out);
  }
  Fail(std::move(failure));
}

// `in` holds records that follow the handshake directly: tickets and nothing else.
void Handshake::ReadTickets() {
  ssl_->Feed(in);
  in.clear();
  uint8_t byte = 0;
  uint32_t n = 0;
  // No application data is in there: nothing is ever read, or the tickets were malformed.
  (void)ssl_->Read(&byte, 1, &n);
  session = ssl_->TakeSession();
  ssl_.reset();
  state_ = State::kDone;
}

void Handshake::Fail(SslConnection::Failure failure) {
  failure_ = std::move(failure);
  state_ = State::kFailed;
  ssl_.reset();
}

}  // namespace meltemi::tls
