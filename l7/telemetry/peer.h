// PeerIdentity: who is at the other end of a connection, and how we know. The engine has one for
// each connection whose other end is known: Engine::Impl::PeerOf. Values; any thread.
//
// Proven by a certificate that was verified in a TLS handshake, or by the pod port that the packets
// come from: such a port takes packets of its own workload only, and nothing leaves the process.
#ifndef MELTEMI_L7_TELEMETRY_PEER_H_
#define MELTEMI_L7_TELEMETRY_PEER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace meltemi::telemetry {

// What a peer's certificate says.
struct PeerCertificate {
  std::vector<std::string> uris, dns_names;
  std::string subject, issuer;            // RFC 2253
  std::string serial, sha256;             // lower-case hexadecimal; sha256 of the DER form
  int64_t not_before = 0, not_after = 0;  // seconds since 1970
};

struct PeerIdentity {
  std::string principal;  // "spiffe://<trust domain>/ns/<ns>/sa/<account>"; the first URI of
                          // a certificate whatever its form; empty: it has none
  std::string ns, service_account;  // of a principal of that form, else empty
  std::vector<std::string> local;   // who we are to it: URIs of our own end; empty: not known
  std::unique_ptr<const PeerCertificate> certificate;  // null: known by its port
};

// With its namespace and account, when it is of that form.
PeerIdentity MakePeerIdentity(std::string_view principal);
PeerIdentity CopyOf(const PeerIdentity& from);

// Of a TLS connection. Numbers, so that a connection has room for them; zero: no TLS.
struct TlsSession {
  uint16_t version = 0;       // as on the wire: 0x0303, 0x0304
  uint16_t cipher_suite = 0;  // IANA's number
};
std::string_view TlsVersionText(uint16_t version);  // "TLSv1.3"; empty: none
// OpenSSL's name, as Envoy's log has it; its number in hexadecimal when we have no name; empty:
// none.
std::string CipherText(uint16_t cipher_suite);

// What the access log may say of both ends: made only for logs that ask for it.
struct PeersRecord {
  PeerIdentity downstream, upstream;
  TlsSession downstream_tls, upstream_tls;
};

}  // namespace meltemi::telemetry

#endif  // MELTEMI_L7_TELEMETRY_PEER_H_
