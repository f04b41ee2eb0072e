// The peer's certificate: what it says, whether its chain holds, whether it is who we want.
// Pure functions of OpenSSL objects; called on handshake threads.
#ifndef MELTEMI_DATAPLANE_TLS_PEER_H_
#define MELTEMI_DATAPLANE_TLS_PEER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/tls/alert.h"
#include "dataplane/tls/context_data.h"
#include "dataplane/tls/handshake_info.h"
#include "dataplane/tls/verified_certificates.h"

namespace meltemi::tls {

PeerIdentity ReadIdentity(X509* leaf);
void AppendPem(X509* certificate, std::string* out);
std::vector<std::string> ReadUris(X509* leaf);

// "a" of "spiffe://a/b"; empty when it is no SPIFFE identity.
std::string_view TrustDomainOf(std::string_view uri);

bool Matches(const PeerRule& rule, const PeerIdentity& identity, X509* leaf);

struct ChainVerdict {
  int x509_error = X509_V_OK;
  bool known = false;  // found in `verified`
};
// Does the chain lead to roots of `context` at `unix_seconds`?
ChainVerdict VerifyChain(const ContextData& context, X509* leaf, STACK_OF(X509) * others,
                         int64_t unix_seconds, VerifiedCertificates* verified);

TlsError ErrorOfX509(int x509_error);
int64_t UnixSeconds(const ASN1_TIME* time);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_PEER_H_
