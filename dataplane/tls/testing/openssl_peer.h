// OpenSslPeer: plain OpenSSL on the other end, with none of our code: what it accepts is TLS.
#ifndef MELTEMI_DATAPLANE_TLS_TESTING_OPENSSL_PEER_H_
#define MELTEMI_DATAPLANE_TLS_TESTING_OPENSSL_PEER_H_

#include <string>
#include <string_view>

#include "dataplane/tls/openssl_ptr.h"
#include "dataplane/tls/testing/certificates.h"
#include "dataplane/tls/testing/tls_end.h"

namespace meltemi::tls {

struct OpenSslPeerOptions {
  bool server = false;
  Certificate certificate;  // may be empty for a client
  std::string trust_pem;    // empty: the peer is not verified
  int version = TLS1_3_VERSION;
  std::string suite;  // of this version, OpenSSL's name; empty: all
  std::string alpn;   // one protocol
  int tickets = 2;
  bool stateful = false;
};

class OpenSslPeer {
 public:
  explicit OpenSslPeer(const OpenSslPeerOptions& options);

  // A new connection; a client resumes the session of the last one, if there is one.
  void Begin();
  // Takes bytes, does what can be done, appends plaintext to `plain`.
  void Receive(std::string_view ciphertext);
  std::string Take();
  void Send(std::string_view bytes);
  void UpdateKeys(bool request);
  void Close() { SSL_shutdown(ssl.get()); }
  bool done() const { return SSL_is_init_finished(ssl.get()) == 1; }

  SslCtxPtr ctx;
  SslPtr ssl;
  std::string plain;
  bool closed = false;  // close_notify was received
  std::string error;    // OpenSSL's reason
  SslSessionPtr session;

 private:
  static int OnSession(SSL* ssl, SSL_SESSION* session);
  const OpenSslPeerOptions options_;
};

void Pump(TlsEnd* end, OpenSslPeer* peer);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TESTING_OPENSSL_PEER_H_
