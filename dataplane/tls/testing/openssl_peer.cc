#include "dataplane/tls/testing/openssl_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

int Time(int ok, X509_STORE_CTX* context) {
  (void)context;
  return ok;
}

void UseCertificate(SSL_CTX* ctx, const Certificate& certificate) {
  const BioPtr chain(BIO_new_mem_buf(certificate.chain_pem.data(), -1));
  X509Ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  CHECK(leaf != nullptr && SSL_CTX_use_certificate(ctx, leaf.get()) == 1);
  for (X509Ptr next;
       (next.reset(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)), next);) {
    CHECK(SSL_CTX_add1_chain_cert(ctx, next.get()) == 1);
  }
  const BioPtr key(BIO_new_mem_buf(certificate.key_pem.data(), -1));
  const PkeyPtr pkey(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
  CHECK(SSL_CTX_use_PrivateKey(ctx, pkey.get()) == 1);
}

}  // namespace

OpenSslPeer::OpenSslPeer(const OpenSslPeerOptions& options)
    : ctx(SSL_CTX_new(options.server ? TLS_server_method() : TLS_client_method())),
      options_(options) {
  SSL_CTX_set_min_proto_version(ctx.get(), options.version);
  SSL_CTX_set_max_proto_version(ctx.get(), options.version);
  if (!options.suite.empty()) {
    CHECK((options.version == TLS1_3_VERSION
               ? SSL_CTX_set_ciphersuites(ctx.get(), options.suite.c_str())
               : SSL_CTX_set_cipher_list(ctx.get(), options.suite.c_str())) == 1);
  }
  if (!options.certificate.chain_pem.empty()) UseCertificate(ctx.get(), options.certificate);
  if (!options.trust_pem.empty()) {
    const BioPtr bio(BIO_new_mem_buf(options.trust_pem.data(), -1));
    const X509Ptr root(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx.get()), root.get());
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx.get()), kTestNow);
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &Time);
  }
  SSL_CTX_set_num_tickets(ctx.get(), static_cast<size_t>(options.tickets));
  if (options.stateful) SSL_CTX_set_options(ctx.get(), SSL_OP_NO_TICKET);
  const std::string alpn = static_cast<char>(options.alpn.size()) + options.alpn;
  if (!options.alpn.empty()) {
    SSL_CTX_set_alpn_protos(ctx.get(), reinterpret_cast<const uint8_t*>(alpn.data()),
                            static_cast<unsigned>(alpn.size()));
  }
  SSL_CTX_set_session_id_context(ctx.get(), reinterpret_cast<const uint8_t*>("test"), 4);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_BOTH);
  if (!options.server) SSL_CTX_sess_set_new_cb(ctx.get(), &OnSession);
  Begin();
}

int OpenSslPeer::OnSession(SSL* ssl, SSL_SESSION* session) {
  static_cast<OpenSslPeer*>(SSL_get_app_data(ssl))->session.reset(session);
  return 1;
}

void OpenSslPeer::Begin() {
  if (ssl != nullptr) SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  ssl.reset(SSL_new(ctx.get()));
  SSL_set_app_data(ssl.get(), this);
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  plain.clear();
  error.clear();
  closed = false;
  if (options_.server) {
    SSL_set_accept_state(ssl.get());
    return;
  }
  SSL_set_connect_state(ssl.get());
  if (session != nullptr) SSL_set_session(ssl.get(), session.get());
  Receive({});
}

void OpenSslPeer::Receive(std::string_view ciphertext) {
  if (!ciphertext.empty()) {
    BIO_write(SSL_get_rbio(ssl.get()), ciphertext.data(), static_cast<int>(ciphertext.size()));
  }
  ERR_clear_error();
  int n = done() ? 1 : SSL_do_handshake(ssl.get());
  char bytes[16'384];
  while (n > 0) {
    n = SSL_read(ssl.get(), bytes, sizeof(bytes));
    if (n > 0) plain.append(bytes, static_cast<size_t>(n));
  }
  const int why = SSL_get_error(ssl.get(), n);
  if (why == SSL_ERROR_ZERO_RETURN) closed = true;
  if (why == SSL_ERROR_SSL && error.empty()) error = ERR_reason_error_string(ERR_peek_error());
}

std::string OpenSslPeer::Take() {
  char* bytes = nullptr;
  const long n = BIO_get_mem_data(SSL_get_wbio(ssl.get()), &bytes);
  std::string out(bytes, n > 0 ? static_cast<size_t>(n) : 0);
  (void)BIO_reset(SSL_get_wbio(ssl.get()));
  return out;
}

void OpenSslPeer::Send(std::string_view bytes) {
  CHECK(SSL_write(ssl.get(), bytes.data(), static_cast<int>(bytes.size())) ==
        static_cast<int>(bytes.size()));
}

void OpenSslPeer::UpdateKeys(bool request) {
  CHECK(SSL_key_update(ssl.get(),
                       request ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
  CHECK(SSL_do_handshake(ssl.get()) == 1);
}

void Pump(TlsEnd* end, OpenSslPeer* peer) {
  for (int round = 0; round < 1000; ++round) {
    end->Poll();
    const std::string to_peer = end->Take();
    const std::string to_end = peer->Take();
    if (to_peer.empty() && to_end.empty() && end->runner.waiting() == 0) return;
    if (!to_peer.empty()) peer->Receive(to_peer);
    if (!to_end.empty()) end->Receive(to_end);
  }
  CHECK(false);
}

}  // namespace meltemi::tls
