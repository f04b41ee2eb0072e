// The certificate of the CA's own listener: issued by itself, its key only ever in memory, renewed
// at half of its life and when another generation signs. Any thread.
#ifndef MELTEMI_CA_SERVICE_SERVING_CERTIFICATE_H_
#define MELTEMI_CA_SERVICE_SERVING_CERTIFICATE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "ca/authority/authority.h"

namespace meltemi::ca {

struct ServingPem {
  std::string key;
  std::string chain;    // the leaf and what leads to the root
  std::string trusted;  // the roots of client certificates
  absl::Time not_after;
  uint64_t version = 0;  // changes with the content
};

class ServingCertificate {
 public:
  struct Options {
    Identity identity;
    std::vector<std::string> dns_names;
    absl::Duration ttl = absl::Hours(24);
  };
  ServingCertificate(Options options, Authority* authority, Clock clock, Entropy entropy)
      : options_(std::move(options)),
        authority_(authority),
        clock_(std::move(clock)),
        entropy_(std::move(entropy)) {}

  // The one to serve with now. When renewing fails, the last one as long as it is valid.
  absl::StatusOr<ServingPem> Get();

 private:
  absl::StatusOr<ServingPem> Make(const Signers& signers, absl::Time now);

  const Options options_;
  Authority* const authority_;
  const Clock clock_;
  const Entropy entropy_;
  absl::Mutex mutex_;
  std::shared_ptr<const Signers> made_by_ ABSL_GUARDED_BY(mutex_);
  ServingPem pem_ ABSL_GUARDED_BY(mutex_);
  absl::Time renew_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_SERVICE_SERVING_CERTIFICATE_H_
