// Context: everything a handshake needs that is the same for many connections: certificates and
// keys, whom to trust, whom to expect, ALPN, versions. Immutable; built on the control thread from
// PEM text (any mistake is an error with its place); shared by every session begun with it.
//
// Rotation is another Context: new sessions are begun with it, old ones keep theirs (and after the
// handshake need none), resumption does not cross over unless the new one is equal to the old.
// Threads: building anywhere but on a worker; a finished Context may be used by all threads (its
// reference count is std::shared_ptr's, OpenSSL's own objects in it lock by themselves).
#ifndef MELTEMI_DATAPLANE_TLS_CONTEXT_H_
#define MELTEMI_DATAPLANE_TLS_CONTEXT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace meltemi::tls {

enum class Version : uint8_t { kTls12, kTls13 };

struct Certificate {
  std::string chain_pem;  // leaf first
  std::string key_pem;
};

// A certificate and the SNI names it is for.
struct NamedCertificate {
  std::vector<std::string> server_names;  // "a.example.com", "*.example.com"; empty: any name
  Certificate certificate;
};

// Roots. With a trust domain they vouch for spiffe://<trust_domain>/... only, and such identities
// are accepted from no other bundle; without one, for everything no other bundle names.
struct TrustBundle {
  std::string trust_domain;
  std::string pem;
};

enum class VerifyPeer : uint8_t {
  kNo,       // a client certificate is not asked for; a server's is not looked at
  kIfGiven,  // servers only: asked for, may be missing
  kRequired,
};

// Whom to accept among those whose chain verifies; one match is enough. All empty: everyone.
struct PeerRule {
  std::vector<std::string> uris;           // exact URI SANs, e.g. spiffe://cluster.local/ns/a/sa/b
  std::vector<std::string> trust_domains;  // any spiffe:// URI SAN of these
  std::vector<std::string> dns_names;      // DNS SANs; "*.x" of the certificate matches one label
  bool operator==(const PeerRule&) const = default;
};

struct ContextOptions {
  Version version_min = Version::kTls12;
  Version version_max = Version::kTls13;
  // ALPN protocols, the preferred one first. A server takes the first the client offers too, and
  // goes on without ALPN when there is none (as Envoy does; RFC 7301 3.2 would refuse).
  std::vector<std::string> alpn;
  VerifyPeer verify = VerifyPeer::kRequired;
  std::vector<TrustBundle> trust;  // needed unless verify is kNo
  PeerRule peer;
  bool keep_peer_pem = false;    // servers: HandshakeInfo has the client's certificates as text
  std::string cipher_suites_13;  // OpenSSL syntax; empty: AES-128-GCM, AES-256-GCM, ChaCha20
  std::string cipher_suites_12;  // empty: ECDHE with these three
};

struct ServerOptions {
  ContextOptions common;
  std::vector<NamedCertificate> certificates;  // by SNI; without a match the first one
  // Sessions kept for resumption; 0: none. Stateful: with a client certificate a ticket costs
  // OpenSSL 3.0 nearly a full handshake.
  uint32_t session_count_max = 1024;
  int64_t session_lifetime_seconds = 3600;
};

struct ClientOptions {
  ContextOptions common;
  Certificate certificate;  // empty: none
  bool resume = true;       // keep and use sessions
};

// OpenSSL's side of it (dataplane/tls/context_data.h).
struct ContextData;
using ContextRef = std::shared_ptr<const ContextData>;

absl::StatusOr<ContextRef> MakeServerContext(const ServerOptions& options);
absl::StatusOr<ContextRef> MakeClientContext(const ClientOptions& options);

// The DNS names that a certificate is for.
absl::StatusOr<std::vector<std::string>> DnsNamesOf(const Certificate& certificate);

// Seconds since 1970 at which the first of the context's own certificates (leaves and what they
// come with) ends; 0 when it has none.
int64_t NotAfter(const ContextData& context);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_CONTEXT_H_
