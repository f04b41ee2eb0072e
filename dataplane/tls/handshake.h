// Handshake: one handshake on its way between a worker and a handshake thread. A value that owns
// all it needs: flat bytes (a worker's buffers never leave it), the SSL, and the outcome.
//
//   worker: fills `in`, submits        thread: Run()        worker: takes `out` and the outcome
//
// A trip ends when all input is used (kRunning), or the handshake has ended. With our own record
// layer the SSL is gone by then; else `connection` is handed over with it. Owner: one thread at a
// time. Bound: the worker feeds at most limits::kTlsHandshakeBytesMax in all.
#ifndef MELTEMI_DATAPLANE_TLS_HANDSHAKE_H_
#define MELTEMI_DATAPLANE_TLS_HANDSHAKE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dataplane/tls/handshake_info.h"
#include "dataplane/tls/ssl_connection.h"
#include "dataplane/tls/tls.h"

namespace meltemi::tls {

class Handshake {
 public:
  enum class State : uint8_t {
    kRunning,
    kDone,
    kFailed,
    kTickets,  // done; the record layer is ours, and the SSL waits for the peer's tickets
  };

  Handshake(TlsId id, SslOptions options) : id_(id), options_(std::move(options)) {}
  ~Handshake();

  // One that has been done elsewhere, with these secrets and our own record layer: for simulations
  // and fuzz targets, which have no time for real ones.
  static std::unique_ptr<Handshake> MakeDone(TlsId id, Suite suite,
                                             const std::array<uint8_t, 48>& read_secret,
                                             const std::array<uint8_t, 48>& write_secret);

  // One trip. `certificates` is the calling thread's.
  void Run(PeerCertificates* certificates);

  // Set before a trip.
  void set_unix_seconds(int64_t unix_seconds) { unix_seconds_ = unix_seconds; }
  std::string in;   // of the peer; empty after a trip
  std::string out;  // to the peer; the worker takes it after each trip

  TlsId id() const { return id_; }
  State state() const { return state_; }
  Role role() const { return role_; }
  const SslConnection::Failure& failure() const { return failure_; }  // kFailed

  // kFailed, when the peer has finished its handshake and hears of it by the worker's record layer
  // only: `own_records` and what goes with it are set.
  std::optional<Alert> alert;

  // kDone and kTickets.
  std::unique_ptr<HandshakeInfo> info;
  std::string leftover;  // ciphertext that came after the handshake
  bool own_records = false;
  Suite suite = Suite::kAes128GcmSha256;
  std::array<uint8_t, 48> read_secret{}, write_secret{};
  uint64_t write_sequence = 0;  // records OpenSSL has sealed with the write secret: tickets
  std::unique_ptr<SslConnection> connection;  // when the records are not ours

  // Clients: where sessions for resumption belong, and the newest that has come.
  std::string resumption_key;
  SslSessionPtr session;
  uint32_t certificates_verified = 0, certificates_known = 0, certificates_parsed = 0;

 private:
  void Finish();
  void TakeSecrets();
  void Refuse(SslConnection::Failure failure);
  void Fail(SslConnection::Failure failure);
  void ReadTickets();

  const TlsId id_;
  SslOptions options_;  // until the first trip
  Role role_ = Role::kServer;
  std::unique_ptr<SslConnection> ssl_;
  int64_t unix_seconds_ = 0;
  State state_ = State::kRunning;
  SslConnection::Failure failure_;
  bool resume_ = false;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_HANDSHAKE_H_
