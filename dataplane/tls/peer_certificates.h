// PeerCertificates: what is remembered of peers' certificates from one handshake to the next.
//
// Owned by one handshake thread, so no lock. Bounds: those of its parts.
#ifndef MELTEMI_DATAPLANE_TLS_PEER_CERTIFICATES_H_
#define MELTEMI_DATAPLANE_TLS_PEER_CERTIFICATES_H_

#include "dataplane/tls/parsed_certificates.h"
#include "dataplane/tls/verified_certificates.h"

namespace meltemi::tls {

struct PeerCertificates {
  ParsedCertificates parsed;
  VerifiedCertificates verified;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_PEER_CERTIFICATES_H_
