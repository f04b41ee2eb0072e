#include "dataplane/tls/context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "dataplane/tls/context_data.h"
#include "dataplane/tls/openssl_library.h"
#include "dataplane/tls/peer.h"
#include "dataplane/tls/ssl_connection.h"
#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

constexpr char kSuites13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
// Forward secrecy and AEAD only.
constexpr char kSuites12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr size_t kCertificatesMax = 1024;  // in one PEM text

absl::Status OpenSslError(absl::string_view what) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return absl::InvalidArgumentError(reason == nullptr ? std::string(what)
                                                      : absl::StrCat(what, ": ", reason));
}

absl::StatusOr<std::vector<X509Ptr>> ReadCertificates(absl::string_view what,
                                                      const std::string& pem) {
  std::vector<X509Ptr> certificates;
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  ERR_clear_error();
  while (certificates.size() < kCertificatesMax) {
    X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
    if (certificate == nullptr) break;
    certificates.emplace_back(certificate);
  }
  // The end of the text shows as "no start line"; anything else is a broken certificate.
  const unsigned long error = ERR_peek_last_error();
  if (error != 0 && ERR_GET_REASON(error) != PEM_R_NO_START_LINE) return OpenSslError(what);
  ERR_clear_error();
  if (certificates.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": no certificate"));
  }
  return certificates;
}

absl::Status UseCertificate(SSL_CTX* ctx, const Certificate& certificate, int64_t* not_after) {
  auto chain = ReadCertificates("certificate chain", certificate.chain_pem);
  if (!chain.ok()) return chain.status();
  if (SSL_CTX_use_certificate(ctx, chain->front().get()) != 1) {
    return OpenSslError("certificate chain: leaf");
  }
  for (size_t i = 0; i < chain->size(); ++i) {
    *not_after = std::min(*not_after, UnixSeconds(X509_get0_notAfter((*chain)[i].get())));
    if (i > 0 && SSL_CTX_add1_chain_cert(ctx, (*chain)[i].get()) != 1) {
      return OpenSslError("certificate chain");
    }
  }
  const BioPtr bio(
      BIO_new_mem_buf(certificate.key_pem.data(), static_cast<int>(certificate.key_pem.size())));
  // A passphrase is never asked for on a terminal: the callback gives an empty one.
  const auto no_passphrase = [](char*, int, int, void*) { return 0; };
  const PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) return OpenSslError("private key");
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
    return OpenSslError("private key does not fit the certificate");
  }
  return absl::OkStatus();
}

absl::Status BuildRoots(ContextData* context) {
  for (const TrustBundle& bundle : context->options.trust) {
    auto it = std::find_if(context->roots.begin(), context->roots.end(),
                           [&bundle](auto& r) { return r.trust_domain == bundle.trust_domain; });
    if (it == context->roots.end()) {
      context->roots.push_back({bundle.trust_domain, X509StorePtr(X509_STORE_new())});
      it = context->roots.end() - 1;
    }
    const auto certificates =
        ReadCertificates(absl::StrCat("trust bundle \"", bundle.trust_domain, "\""), bundle.pem);
    if (!certificates.ok()) return certificates.status();
    for (const X509Ptr& root : *certificates) {
      if (X509_STORE_add_cert(it->store.get(), root.get()) != 1)
        return OpenSslError("trust bundle");
      if (context->role == Role::kServer) {
        for (auto& named : context->named) SSL_CTX_add_client_CA(named.ctx.get(), root.get());
      }
    }
  }
  return absl::OkStatus();
}

int ProtocolOf(Version version) {
  return version == Version::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

absl::Status CheckOptions(const ContextOptions& options) {
  if (options.version_min > options.version_max) {
    return absl::InvalidArgumentError("version_min is above version_max");
  }
  for (const std::string& protocol : options.alpn) {
    if (protocol.empty() || protocol.size() > 255) {
      return absl::InvalidArgumentError("ALPN: a protocol has 1 to 255 bytes");
    }
  }
  if (options.verify != VerifyPeer::kNo && options.trust.empty()) {
    return absl::InvalidArgumentError("peers shall be verified, and there is no trust bundle");
  }
  return absl::OkStatus();
}

absl::Status Configure(SSL_CTX* ctx, const ContextOptions& options, Role role) {
  SSL_CTX_set_security_level(ctx, 2);
  SSL_CTX_set_min_proto_version(ctx, ProtocolOf(options.version_min));
  SSL_CTX_set_max_proto_version(ctx, ProtocolOf(options.version_max));
  SSL_CTX_set_options(
      ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_early_data(ctx, 0);
  const std::string& suites13 =
      options.cipher_suites_13.empty() ? kSuites13 : options.cipher_suites_13;
  const std::string& suites12 =
      options.cipher_suites_12.empty() ? kSuites12 : options.cipher_suites_12;
  if (SSL_CTX_set_ciphersuites(ctx, suites13.c_str()) != 1) {
    return OpenSslError(absl::StrCat("cipher suites \"", suites13, "\""));
  }
  if (SSL_CTX_set_cipher_list(ctx, suites12.c_str()) != 1) {
    return OpenSslError(absl::StrCat("cipher suites \"", suites12, "\""));
  }
  SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384");
  int verify = SSL_VERIFY_NONE;
  if (options.verify != VerifyPeer::kNo) verify = SSL_VERIFY_PEER;
  if (options.verify == VerifyPeer::kRequired && role == Role::kServer) {
    verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_CTX_set_verify(ctx, verify, nullptr);
  SslConnection::InstallCallbacks(ctx, role);
  return absl::OkStatus();
}

// A digest over texts, each with its length: no two lists give the same bytes.
class Digest {
 public:
  Digest() : hash_(EVP_MD_CTX_new()) {
    CHECK(EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr) == 1);
  }
  void Add(std::string_view text) {
    Add(text.size());
    EVP_DigestUpdate(hash_.get(), text.data(), text.size());
  }
  void Add(uint64_t number) { EVP_DigestUpdate(hash_.get(), &number, sizeof(number)); }
  void Add(const std::vector<std::string>& texts) {
    Add(texts.size());
    for (const std::string& text : texts) Add(text);
  }
  uint64_t Take() {
    std::array<uint8_t, 32> digest;
    EVP_DigestFinal_ex(hash_.get(), digest.data(), nullptr);
    uint64_t bits = 0;
    std::memcpy(&bits, digest.data(), sizeof(bits));
    return bits;
  }

 private:
  DigestCtxPtr hash_;
};

void SetIds(const std::vector<const Certificate*>& certificates, ContextData* context) {
  const ContextOptions& o = context->options;
  Digest trust;
  for (const TrustBundle& bundle : o.trust) {
    trust.Add(bundle.trust_domain);
    trust.Add(bundle.pem);
  }
  context->trust_id = trust.Take();
  Digest all;
  all.Add(static_cast<uint64_t>(context->role));
  all.Add(context->trust_id);
  all.Add(static_cast<uint64_t>(o.version_min) << 8 | static_cast<uint64_t>(o.version_max));
  all.Add(static_cast<uint64_t>(o.verify));
  all.Add(o.alpn);
  all.Add(o.peer.uris);
  all.Add(o.peer.trust_domains);
  all.Add(o.peer.dns_names);
  all.Add(o.cipher_suites_13);
  all.Add(o.cipher_suites_12);
  for (const Certificate* certificate : certificates) {
    all.Add(certificate->chain_pem);
    all.Add(certificate->key_pem);
  }
  context->id = all.Take();
}

void ConfigureSessions(const ServerOptions& options, uint64_t id, SSL_CTX* ctx) {
  SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const uint8_t*>(&id), sizeof(id));
  // Never stateless: a ticket with a client certificate in it costs nearly a full handshake to
  // read, and its key would have to be rotated.
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, options.session_count_max > 0 ? 1 : 0);
  SSL_CTX_set_session_cache_mode(
      ctx, options.session_count_max > 0 ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
  SSL_CTX_sess_set_cache_size(ctx, options.session_count_max);
  SSL_CTX_set_timeout(ctx, static_cast<long>(options.session_lifetime_seconds));
}

// Names are compared without regard to case (RFC 4343).
bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return absl::ascii_tolower(x) == absl::ascii_tolower(y);
  });
}

bool WildcardMatches(std::string_view pattern, std::string_view name) {
  return pattern.starts_with("*.") && name.find('.') != std::string_view::npos &&
         SameName(pattern.substr(1), name.substr(name.find('.')));
}

}  // namespace

SSL_CTX* SelectCtx(const ContextData& context, std::string_view sni) {
  SSL_CTX* wildcard = nullptr;
  SSL_CTX* any = nullptr;
  for (const ContextData::Named& named : context.named) {
    for (const std::string& name : named.server_names) {
      if (SameName(name, sni)) return named.ctx.get();
      if (wildcard == nullptr && WildcardMatches(name, sni)) wildcard = named.ctx.get();
    }
    if (any == nullptr && named.server_names.empty()) any = named.ctx.get();
  }
  if (wildcard != nullptr) return wildcard;
  return any != nullptr ? any : context.named.front().ctx.get();
}

absl::StatusOr<ContextRef> MakeServerContext(const ServerOptions& options) {
  if (absl::Status status = CheckOptions(options.common); !status.ok()) return status;
  if (options.certificates.empty())
    return absl::InvalidArgumentError("a server needs a certificate");
  auto context = std::make_shared<ContextData>();
  context->role = Role::kServer;
  context->options = options.common;
  context->resume = options.session_count_max > 0;
  context->not_after = std::numeric_limits<int64_t>::max();
  std::vector<const Certificate*> certificates;
  for (const NamedCertificate& named : options.certificates)
    certificates.push_back(&named.certificate);
  SetIds(certificates, context.get());
  for (const NamedCertificate& named : options.certificates) {
    SslCtxPtr ctx(SSL_CTX_new_ex(TlsLibrary(), nullptr, TLS_server_method()));
    if (absl::Status s = Configure(ctx.get(), options.common, Role::kServer); !s.ok()) return s;
    ConfigureSessions(options, context->id, ctx.get());
    absl::Status s = UseCertificate(ctx.get(), named.certificate, &context->not_after);
    if (!s.ok()) return s;
    context->named.push_back({named.server_names, std::move(ctx)});
  }
  if (absl::Status status = BuildRoots(context.get()); !status.ok()) return status;
  return ContextRef(std::move(context));
}

absl::StatusOr<ContextRef> MakeClientContext(const ClientOptions& options) {
  if (absl::Status status = CheckOptions(options.common); !status.ok()) return status;
  if (options.common.verify == VerifyPeer::kIfGiven) {
    return absl::InvalidArgumentError(
        "a server's certificate is verified or not, never \"if given\"");
  }
  auto context = std::make_shared<ContextData>();
  context->role = Role::kClient;
  context->options = options.common;
  context->resume = options.resume;
  SetIds({&options.certificate}, context.get());
  SslCtxPtr ctx(SSL_CTX_new_ex(TlsLibrary(), nullptr, TLS_client_method()));
  if (absl::Status s = Configure(ctx.get(), options.common, Role::kClient); !s.ok()) return s;
  SSL_CTX_set_session_cache_mode(ctx.get(), options.resume
                                                ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                                : SSL_SESS_CACHE_OFF);
  if (!options.certificate.chain_pem.empty() || !options.certificate.key_pem.empty()) {
    context->not_after = std::numeric_limits<int64_t>::max();
    absl::Status s = UseCertificate(ctx.get(), options.certificate, &context->not_after);
    if (!s.ok()) return s;
  }
  context->named.push_back({{}, std::move(ctx)});
  if (absl::Status status = BuildRoots(context.get()); !status.ok()) return status;
  return ContextRef(std::move(context));
}

absl::StatusOr<std::vector<std::string>> DnsNamesOf(const Certificate& certificate) {
  const auto chain = ReadCertificates("certificate chain", certificate.chain_pem);
  if (!chain.ok()) return chain.status();
  return ReadIdentity(chain->front().get()).dns_sans;
}

int64_t NotAfter(const ContextData& context) { return context.not_after; }

}  // namespace meltemi::tls
