// The private key of an identity, made in this process and never written anywhere, and the check of
// the chain a CA answers with. OpenSSL behind it, without its headers. Control threads only: making
// a key costs 20 us, checking a chain some 300.
#ifndef MELTEMI_DATAPLANE_TLS_WORKLOAD_KEY_WORKLOAD_KEY_H_
#define MELTEMI_DATAPLANE_TLS_WORKLOAD_KEY_WORKLOAD_KEY_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "l7/base/time.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace meltemi::tls {

// ECDSA P-256. Copies share the key.
class WorkloadKey {
 public:
  static absl::StatusOr<WorkloadKey> Make();

  WorkloadKey(const WorkloadKey& other);
  WorkloadKey& operator=(const WorkloadKey& other);
  WorkloadKey(WorkloadKey&&) noexcept = default;
  WorkloadKey& operator=(WorkloadKey&&) noexcept = default;

  // A PKCS#10 request for the identity, PEM: empty subject, the URI as its only name.
  absl::StatusOr<std::string> SigningRequest(const std::string& uri) const;
  // For TLS contexts of this process. They take a reference of their own.
  evp_pkey_st* get() const { return key_.get(); }

  // For gRPC's client credentials, which take a key as text only. It stays in the process.
  absl::StatusOr<std::string> PemForThisProcess() const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  explicit WorkloadKey(evp_pkey_st* key) : key_(key) {}
  std::unique_ptr<evp_pkey_st, Free> key_;
};

// A chain that fits a key.
struct WorkloadChain {
  std::string chain_pem;    // the leaf, then the intermediates
  std::string trusted_pem;  // the roots to trust, at least one
  std::string serial;       // of the leaf, hexadecimal
  UnixTime not_before;
  UnixTime not_after;
};

// What a certificate says of itself.
struct CertificateFacts {
  std::string serial;  // hexadecimal
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  UnixTime not_before;
  UnixTime not_after;
};
// Of each certificate of a PEM text, up to the first that is broken.
std::vector<CertificateFacts> ReadCertificates(std::string_view pem);

// What a CA answered (PEM: leaf, intermediates, roots last) is of use when the leaf has this key
// and exactly this URI, is valid now, and leads to one of the roots that came with it.
absl::StatusOr<WorkloadChain> CheckWorkloadChain(const WorkloadKey& key, std::string_view uri,
                                                 const std::vector<std::string>& answer,
                                                 UnixTime now);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_WORKLOAD_KEY_WORKLOAD_KEY_H_
