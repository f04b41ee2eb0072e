// HandshakeInfo: what a finished handshake has established. A value, made on a handshake thread.
#ifndef MELTEMI_DATAPLANE_TLS_HANDSHAKE_INFO_H_
#define MELTEMI_DATAPLANE_TLS_HANDSHAKE_INFO_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/tls/context.h"

namespace meltemi::tls {

// The peer's certificate, verified unless the context's VerifyPeer is kNo.
struct PeerIdentity {
  bool certificate_given = false;
  bool verified = false;              // false: it may say anything
  std::vector<std::string> uri_sans;  // SPIFFE identities are here
  std::vector<std::string> dns_sans;
  std::string subject, issuer;            // RFC 2253, as in the XFCC header
  std::string serial;                     // lower-case hexadecimal
  std::array<uint8_t, 32> sha256{};       // of the DER certificate, XFCC's Hash
  int64_t not_before = 0, not_after = 0;  // seconds since 1970
  // ContextOptions::keep_peer_pem: the certificate, and all that came with it, the leaf first.
  std::string pem, chain_pem;
};

struct HandshakeInfo {
  Version version = Version::kTls13;
  uint16_t cipher_suite = 0;  // IANA's number
  std::string cipher_name;    // OpenSSL's name
  std::string alpn;           // empty: none agreed
  std::string sni;            // what the client asked for
  bool resumed = false;
  PeerIdentity peer;
  std::vector<std::string> local_uri_sans;  // of our own certificate, when the peer has shown one
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_HANDSHAKE_INFO_H_
