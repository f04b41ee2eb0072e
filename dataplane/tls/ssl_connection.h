// SslConnection: one OpenSSL SSL over memory: bytes in, bytes out. It does the handshake on a
// handshake thread; for sessions of TLS 1.2 and ChaCha20 it lives on, on the worker.
//
// Owns: the SSL and what its callbacks have seen. Thread: whoever holds it; it may move between
// threads, not be shared. Memory: OpenSSL's heap; buffers are released between records.
#ifndef MELTEMI_DATAPLANE_TLS_SSL_CONNECTION_H_
#define MELTEMI_DATAPLANE_TLS_SSL_CONNECTION_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/tls/alert.h"
#include "dataplane/tls/context_data.h"
#include "dataplane/tls/handshake_info.h"
#include "dataplane/tls/key_schedule.h"
#include "dataplane/tls/openssl_ptr.h"
#include "dataplane/tls/peer_certificates.h"

namespace meltemi::tls {

struct SslOptions {
  ContextRef context;
  std::string sni;                 // clients
  std::vector<std::string> alpn;   // clients; empty: the context's
  std::unique_ptr<PeerRule> peer;  // instead of the context's
  SslSessionPtr session;           // clients: to resume; may be null
};

// Traffic secrets of TLS 1.3, as the key log shows them.
struct TrafficSecrets {
  std::array<uint8_t, 48> client{}, server{};
  uint32_t bytes = 0;  // of each
};

class SslConnection {
 public:
  enum class Result : uint8_t { kDone, kWantInput, kClosed, kFailed };
  struct Failure {
    TlsError error = TlsError::kNone;
    Alert alert = Alert::kCloseNotify;  // the peer's
    std::string detail;
  };

  explicit SslConnection(SslOptions options);
  ~SslConnection();
  SslConnection(const SslConnection&) = delete;
  SslConnection& operator=(const SslConnection&) = delete;

  void Feed(std::string_view ciphertext);
  // Appends what is to be sent.
  void TakeOutput(std::string* out);
  // What was fed and not used.
  std::string TakeLeftover();

  // `certificates` belongs to the calling thread.
  Result DoHandshake(int64_t unix_seconds, PeerCertificates* certificates);
  // kDone: `n` bytes were read. kClosed: close_notify. Also takes messages after the handshake.
  Result Read(uint8_t* out, uint32_t size, uint32_t* n);
  bool Write(const uint8_t* bytes, uint32_t size);
  void WriteCloseNotify();
  bool UpdateKeys(bool request_peer);

  // After DoHandshake has said kDone.
  std::unique_ptr<HandshakeInfo> Info() const;
  // A resumed session's peer is looked at again: rules and time have gone on.
  Failure CheckPeer(int64_t unix_seconds, const PeerIdentity& peer) const;
  // The suite, when TLS 1.3 with AES-GCM was agreed: the record layer may be ours.
  bool OwnRecords(Suite* suite) const;
  const TrafficSecrets& secrets() const { return secrets_; }
  std::string resumption_key;  // the worker's, for sessions that come later
  // A session to resume that has come since the last call; null when none has.
  SslSessionPtr TakeSession() { return std::move(new_session_); }

  Failure failure() const;  // after kFailed
  Role role() const { return options_.context->role; }
  uint32_t certificates_verified() const { return certificates_verified_; }
  uint32_t certificates_known() const { return certificates_known_; }

  // Installs the callbacks every SSL of this class needs; and a server's or a client's own.
  static void InstallCallbacks(SSL_CTX* ctx, Role role);

 private:
  static SslConnection* Of(const SSL* ssl);
  static void OnKeyLog(const SSL* ssl, const char* line);
  static int OnVerify(X509_STORE_CTX* given, void* unused);
  static int OnServerName(SSL* ssl, int* alert, void* unused);
  static int OnSelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_bytes, const uint8_t* in,
                          unsigned in_bytes, void* unused);
  static int OnNewServerSession(SSL* ssl, SSL_SESSION* session);
  static int OnNewClientSession(SSL* ssl, SSL_SESSION* session);

  const PeerRule& rule() const;
  void OfferSession();
  int Verify(X509_STORE_CTX* given);
  Result Classify(int returned);

  SslOptions options_;
  SslPtr ssl_;
  TrafficSecrets secrets_;
  SslSessionPtr new_session_;
  Failure failure_;
  TlsError verify_error_ = TlsError::kNone;
  std::string verify_detail_;
  uint32_t certificates_verified_ = 0, certificates_known_ = 0;
  // Of the running DoHandshake.
  int64_t unix_seconds_ = 0;
  VerifiedCertificates* verified_ = nullptr;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_SSL_CONNECTION_H_
