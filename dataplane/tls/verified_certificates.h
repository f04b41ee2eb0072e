// VerifiedCertificates: which certificate chains have been verified lately, by the digest of their
// DER bytes and of the roots they were verified against. X509_verify_cert costs 0.25 M cycles and
// more with each intermediate; in a mesh the same few certificates come again and again.
//
// Owned by one handshake thread, so no lock. Bound: a fixed table; a newer entry of the same place
// replaces an older one.
#ifndef MELTEMI_DATAPLANE_TLS_VERIFIED_CERTIFICATES_H_
#define MELTEMI_DATAPLANE_TLS_VERIFIED_CERTIFICATES_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "l7/base/limits.h"

namespace meltemi::tls {

using Sha256 = std::array<uint8_t, 32>;

class VerifiedCertificates {
 public:
  VerifiedCertificates() : entries_(limits::kTlsVerifiedCertificates) {}

  // Verified, and at `unix_seconds` every certificate of the chain is valid.
  bool Contains(const Sha256& digest, int64_t unix_seconds) const {
    const Entry& entry = entries_[Place(digest)];
    return entry.digest == digest && entry.not_before <= unix_seconds &&
           unix_seconds <= entry.not_after;
  }
  void Add(const Sha256& digest, int64_t not_before, int64_t not_after) {
    entries_[Place(digest)] = {digest, not_before, not_after};
  }

 private:
  struct Entry {
    Sha256 digest{};
    int64_t not_before = 0, not_after = -1;
  };
  size_t Place(const Sha256& digest) const {
    uint64_t bits = 0;
    std::memcpy(&bits, digest.data(), sizeof(bits));
    return bits % entries_.size();
  }
  std::vector<Entry> entries_;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_VERIFIED_CERTIFICATES_H_
