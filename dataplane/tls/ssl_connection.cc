#include "dataplane/tls/ssl_connection.h"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/tls/peer.h"
#include "dataplane/tls/wipe.h"
#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

// Protocol names, each with its length in front (RFC 7301 3.1). Lengths were checked by context.cc.
std::string AlpnWire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Returns the number of bytes written.
uint32_t ParseHex(std::string_view hex, std::array<uint8_t, 48>* out) {
  CHECK(hex.size() % 2 == 0 && hex.size() / 2 <= out->size());
  for (size_t i = 0; i < hex.size() / 2; ++i) {
    (*out)[i] = static_cast<uint8_t>(HexDigit(hex[2 * i]) << 4 | HexDigit(hex[2 * i + 1]));
  }
  return static_cast<uint32_t>(hex.size() / 2);
}

// The first error that libssl itself has put down is the cause; before it may stand what a cipher
// or a decoder thought. Empties the queue.
unsigned long TakeCause() {
  const unsigned long first = ERR_peek_error();
  unsigned long cause = 0;
  while (const unsigned long code = ERR_get_error()) {
    if (cause == 0 && ERR_GET_LIB(code) == ERR_LIB_SSL) cause = code;
  }
  return cause != 0 ? cause : first;
}

constexpr std::string_view kSomebodyElse = "certificate of somebody else";

// The alert is OpenSSL's choice, by the reason it is given (ssl_x509err2alert). Where that would
// not be RFC 8446 6.2's: a certificate that is not valid yet is certificate_expired; a good one of
// somebody else certificate_unknown, as Envoy sends it, which is OpenSSL's for reasons that no
// chain of its own has, such as this one.
int ForItsAlert(int x509_error) {
  if (x509_error == X509_V_ERR_CERT_NOT_YET_VALID) return X509_V_ERR_CERT_HAS_EXPIRED;
  if (x509_error == X509_V_ERR_APPLICATION_VERIFICATION) return X509_V_ERR_PERMITTED_VIOLATION;
  return x509_error;
}

TlsError ErrorOfReason(int reason) {
  switch (reason) {  // an int of OpenSSL's with hundreds of values: a default is right here
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_CIPHERS_AVAILABLE:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return TlsError::kNoCommonParameters;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TlsError::kPeerCertificateMissing;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      return TlsError::kNotTls;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return TlsError::kBadRecordMac;
    default:
      return reason >= SSL_AD_REASON_OFFSET ? TlsError::kPeerAlert : TlsError::kHandshakeFailed;
  }
}

}  // namespace

SslConnection::SslConnection(SslOptions options)
    : options_(std::move(options)), ssl_(SSL_new(options_.context->named.front().ctx.get())) {
  CHECK(ssl_ != nullptr);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (role() == Role::kServer) {
    SSL_set_accept_state(ssl_.get());
    return;
  }
  SSL_set_connect_state(ssl_.get());
  if (!options_.sni.empty()) SSL_set_tlsext_host_name(ssl_.get(), options_.sni.c_str());
  const std::string alpn =
      AlpnWire(options_.alpn.empty() ? options_.context->options.alpn : options_.alpn);
  if (!alpn.empty()) {
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const uint8_t*>(alpn.data()),
                        static_cast<unsigned>(alpn.size()));
  }
}

SslConnection::~SslConnection() {
  // Without this OpenSSL takes the session out of its cache: it believes in a cut connection.
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  Wipe(&secrets_, sizeof(secrets_));
}

void SslConnection::Feed(std::string_view ciphertext) {
  if (ciphertext.empty()) return;
  const int size = static_cast<int>(ciphertext.size());
  CHECK(BIO_write(SSL_get_rbio(ssl_.get()), ciphertext.data(), size) == size);
}

void SslConnection::TakeOutput(std::string* out) {
  BIO* bio = SSL_get_wbio(ssl_.get());
  char* bytes = nullptr;
  const long n = BIO_get_mem_data(bio, &bytes);
  if (n > 0) out->append(bytes, static_cast<size_t>(n));
  CHECK(BIO_reset(bio) == 1);
}

std::string SslConnection::TakeLeftover() {
  BIO* bio = SSL_get_rbio(ssl_.get());
  char* bytes = nullptr;
  const long n = BIO_get_mem_data(bio, &bytes);
  std::string leftover(bytes, n > 0 ? static_cast<size_t>(n) : 0);
  CHECK(BIO_reset(bio) == 1);
  return leftover;
}

SslConnection::Result SslConnection::DoHandshake(int64_t unix_seconds,
                                                 PeerCertificates* certificates) {
  unix_seconds_ = unix_seconds;
  verified_ = &certificates->verified;
  const ParsedCertificates::Scope scope(&certificates->parsed);
  ERR_clear_error();
  if (options_.session != nullptr) OfferSession();
  const int returned = SSL_do_handshake(ssl_.get());
  const Result result = returned == 1 ? Result::kDone : Classify(returned);
  verified_ = nullptr;
  return result;
}

// Of a peer whom today's rule or time refuses no session is offered: the handshake is a full one,
// in which the peer may have got another certificate, or is refused with the alert that says why.
void SslConnection::OfferSession() {
  const SslSessionPtr session = std::move(options_.session);
  X509* const leaf = SSL_SESSION_get0_peer(session.get());
  if (leaf != nullptr && options_.context->options.verify != VerifyPeer::kNo) {
    if (unix_seconds_ > UnixSeconds(X509_get0_notAfter(leaf))) return;
    if (rule() != PeerRule{} && !Matches(rule(), ReadIdentity(leaf), leaf)) return;
  }
  SSL_set_session(ssl_.get(), session.get());
}

SslConnection::Result SslConnection::Read(uint8_t* out, uint32_t size, uint32_t* n) {
  ERR_clear_error();
  const int returned = SSL_read(ssl_.get(), out, static_cast<int>(size));
  *n = returned > 0 ? static_cast<uint32_t>(returned) : 0;
  return returned > 0 ? Result::kDone : Classify(returned);
}

bool SslConnection::Write(const uint8_t* bytes, uint32_t size) {
  ERR_clear_error();
  return SSL_write(ssl_.get(), bytes, static_cast<int>(size)) == static_cast<int>(size);
}

void SslConnection::WriteCloseNotify() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());  // memory takes everything; the peer's answer is not waited for
}

bool SslConnection::UpdateKeys(bool request_peer) {
  ERR_clear_error();
  return SSL_key_update(ssl_.get(), request_peer ? SSL_KEY_UPDATE_REQUESTED
                                                 : SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
         SSL_do_handshake(ssl_.get()) == 1;
}

SslConnection::Result SslConnection::Classify(int returned) {
  const int why = SSL_get_error(ssl_.get(), returned);
  if (why == SSL_ERROR_WANT_READ) return Result::kWantInput;
  if (why == SSL_ERROR_ZERO_RETURN) return Result::kClosed;
  const unsigned long code = TakeCause();
  const int reason = ERR_GET_REASON(code);
  failure_.error = ErrorOfReason(reason);
  if (failure_.error == TlsError::kPeerAlert) {
    failure_.alert = static_cast<Alert>(reason - SSL_AD_REASON_OFFSET);
  }
  if (verify_error_ != TlsError::kNone) failure_.error = verify_error_;
  const char* text = ERR_reason_error_string(code);
  failure_.detail = text != nullptr ? text : "unknown error";
  if (verify_error_ != TlsError::kNone) failure_.detail = verify_detail_;
  return Result::kFailed;
}

SslConnection::Failure SslConnection::failure() const { return failure_; }

std::unique_ptr<HandshakeInfo> SslConnection::Info() const {
  auto info = std::make_unique<HandshakeInfo>();
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  info->version = SSL_version(ssl_.get()) == TLS1_3_VERSION ? Version::kTls13 : Version::kTls12;
  info->cipher_suite = SSL_CIPHER_get_protocol_id(cipher);
  info->cipher_name = SSL_CIPHER_get_name(cipher);
  const uint8_t* alpn = nullptr;
  unsigned alpn_bytes = 0;
  SSL_get0_alpn_selected(ssl_.get(), &alpn, &alpn_bytes);
  info->alpn.assign(reinterpret_cast<const char*>(alpn), alpn_bytes);
  const char* sni = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  if (sni != nullptr) info->sni = sni;
  info->resumed = SSL_session_reused(ssl_.get()) == 1;
  X509* leaf = SSL_get0_peer_certificate(ssl_.get());
  if (leaf == nullptr) return info;
  info->peer = ReadIdentity(leaf);
  info->peer.verified = options_.context->options.verify != VerifyPeer::kNo;
  if (options_.context->options.keep_peer_pem) {
    AppendPem(leaf, &info->peer.pem);
    info->peer.chain_pem = info->peer.pem;
    // Of a server's peer: without the leaf.
    const STACK_OF(X509)* others = SSL_get_peer_cert_chain(ssl_.get());
    for (int i = 0; i < sk_X509_num(others); ++i) {
      AppendPem(sk_X509_value(others, i), &info->peer.chain_pem);
    }
  }
  if (X509* own = SSL_get_certificate(ssl_.get())) info->local_uri_sans = ReadUris(own);
  return info;
}

SslConnection::Failure SslConnection::CheckPeer(int64_t unix_seconds,
                                                const PeerIdentity& peer) const {
  X509* leaf = SSL_get0_peer_certificate(ssl_.get());
  if (options_.context->options.verify == VerifyPeer::kNo) return {};
  if (leaf == nullptr) {
    if (options_.context->options.verify == VerifyPeer::kIfGiven) return {};
    return {.error = TlsError::kPeerCertificateMissing, .detail = "no certificate"};
  }
  if (unix_seconds > peer.not_after) {
    return {.error = TlsError::kPeerCertificateExpired, .detail = "certificate has expired"};
  }
  if (!Matches(rule(), peer, leaf)) {
    return {.error = TlsError::kPeerIdentity, .detail = std::string(kSomebodyElse)};
  }
  return {};
}

bool SslConnection::OwnRecords(Suite* suite) const {
  if (SSL_version(ssl_.get()) != TLS1_3_VERSION) return false;
  switch (SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl_.get()))) {
    case TLS1_3_CK_AES_128_GCM_SHA256 & 0xffff:
      *suite = Suite::kAes128GcmSha256;
      return secrets_.bytes == SecretBytes(*suite);
    case TLS1_3_CK_AES_256_GCM_SHA384 & 0xffff:
      *suite = Suite::kAes256GcmSha384;
      return secrets_.bytes == SecretBytes(*suite);
    default:
      return false;
  }
}

const PeerRule& SslConnection::rule() const {
  return options_.peer != nullptr ? *options_.peer : options_.context->options.peer;
}

void SslConnection::InstallCallbacks(SSL_CTX* ctx, Role role) {
  SSL_CTX_set_keylog_callback(ctx, &OnKeyLog);
  SSL_CTX_set_cert_verify_callback(ctx, &OnVerify, nullptr);
  if (role == Role::kServer) {
    SSL_CTX_set_tlsext_servername_callback(ctx, &OnServerName);
    SSL_CTX_set_alpn_select_cb(ctx, &OnSelectAlpn, nullptr);
    SSL_CTX_sess_set_new_cb(ctx, &OnNewServerSession);
  } else {
    SSL_CTX_sess_set_new_cb(ctx, &OnNewClientSession);
  }
}

SslConnection* SslConnection::Of(const SSL* ssl) {
  return static_cast<SslConnection*>(SSL_get_app_data(ssl));
}

// "CLIENT_TRAFFIC_SECRET_0 <client random> <secret>", in hex: NSS's key log format.
void SslConnection::OnKeyLog(const SSL* ssl, const char* line) {
  SslConnection* self = Of(ssl);
  const std::string_view text(line);
  const bool client = text.starts_with("CLIENT_TRAFFIC_SECRET_0 ");
  if (!client && !text.starts_with("SERVER_TRAFFIC_SECRET_0 ")) return;
  const std::string_view secret = text.substr(text.rfind(' ') + 1);
  self->secrets_.bytes = ParseHex(secret, client ? &self->secrets_.client : &self->secrets_.server);
}

int SslConnection::OnVerify(X509_STORE_CTX* given, void* unused) {
  (void)unused;
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(given, SSL_get_ex_data_X509_STORE_CTX_idx()));
  return Of(ssl)->Verify(given);
}

int SslConnection::Verify(X509_STORE_CTX* given) {
  if (options_.context->options.verify == VerifyPeer::kNo) return 1;
  X509* leaf = X509_STORE_CTX_get0_cert(given);
  CHECK(verified_ != nullptr);  // no renegotiation: only DoHandshake verifies
  const ChainVerdict verdict = VerifyChain(
      *options_.context, leaf, X509_STORE_CTX_get0_untrusted(given), unix_seconds_, verified_);
  int error = verdict.x509_error;
  ++(verdict.known ? certificates_known_ : certificates_verified_);
  if (error != X509_V_OK) {
    verify_error_ = ErrorOfX509(error);
    verify_detail_ = X509_verify_cert_error_string(error);
  } else if (!Matches(rule(), ReadIdentity(leaf), leaf)) {
    error = X509_V_ERR_APPLICATION_VERIFICATION;
    verify_error_ = TlsError::kPeerIdentity;
    verify_detail_ = kSomebodyElse;
  }
  X509_STORE_CTX_set_error(given, ForItsAlert(error));
  return error == X509_V_OK ? 1 : 0;
}

int SslConnection::OnServerName(SSL* ssl, int* alert, void* unused) {
  (void)alert, (void)unused;
  const char* sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (sni == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_CTX* ctx = SelectCtx(*Of(ssl)->options_.context, sni);
  if (ctx != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, ctx);
  return SSL_TLSEXT_ERR_OK;
}

// Our order counts. Nothing in common is agreed as nothing, not refused with
// no_application_protocol (RFC 7301 3.2 has that a SHOULD): so does Envoy, and curl and others then
// speak HTTP/1.1.
int SslConnection::OnSelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_bytes,
                                const uint8_t* in, unsigned in_bytes, void* unused) {
  (void)unused;
  for (const std::string& ours : Of(ssl)->options_.context->options.alpn) {
    for (unsigned at = 0; at < in_bytes; at += 1u + in[at]) {
      if (in[at] == ours.size() && std::memcmp(in + at + 1, ours.data(), ours.size()) == 0) {
        *out = in + at + 1;
        *out_bytes = in[at];
        return SSL_TLSEXT_ERR_OK;
      }
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

// A session lives no longer than the certificate that was shown for it.
int SslConnection::OnNewServerSession(SSL* ssl, SSL_SESSION* session) {
  const X509* leaf = SSL_SESSION_get0_peer(session);
  if (leaf != nullptr) {
    const int64_t left = UnixSeconds(X509_get0_notAfter(leaf)) - Of(ssl)->unix_seconds_;
    if (left < SSL_SESSION_get_timeout(session)) {
      SSL_SESSION_set_timeout(session, static_cast<long>(std::max<int64_t>(left, 0)));
    }
  }
  return 0;  // OpenSSL's cache has its own reference
}

int SslConnection::OnNewClientSession(SSL* ssl, SSL_SESSION* session) {
  if (!SSL_SESSION_is_resumable(session)) return 0;
  Of(ssl)->new_session_.reset(session);
  return 1;  // the reference is ours now
}

}  // namespace meltemi::tls
