// What the CA tells operators: /metrics beyond the counters, /status and the answer of
// `rotate-root status`. Pure.
#ifndef MELTEMI_CA_PAGES_H_
#define MELTEMI_CA_PAGES_H_

#include <string>

#include "absl/time/time.h"
#include "ca/authority/authority.h"

namespace meltemi::ca {

// Dates as metrics, whole seconds written out. `leaf_not_after`: of the listener's certificate.
std::string ExpiryMetrics(const Signers& signers, absl::Time leaf_not_after, absl::Time now);

// "phase: steady\n...", for people.
std::string StatusText(const Signers& signers, absl::Time now);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_PAGES_H_
