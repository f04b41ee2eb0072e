// What goes wrong with the CA, part by part: the last failure of each, for /status and /metrics, so
// that an operator need not search the log. Any thread; bounded by the number of parts.
#ifndef MELTEMI_CA_FAILURES_H_
#define MELTEMI_CA_FAILURES_H_

#include <array>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace meltemi::ca {

class Failures {
 public:
  enum class Part { kLog, kJoinTokens, kRotation, kTokenKeys, kRegistry, kListener };
  static constexpr size_t kParts = 6;

  // How the last attempt of a part ended. True when that is a failure and not the one before.
  bool Note(Part part, const absl::Status& status, absl::Time now);

  // A line per part that ever failed: "log: failing since ..." or "log: failed from ... to ...",
  // each with the reason; "failures: none".
  std::string Text() const;
  // meltemi_ca_failing, per part: 1 while its last attempt has failed.
  std::string Metrics() const;

 private:
  struct Last {
    std::string why;  // empty: never failed
    absl::Time since, until;
    bool failing = false;
  };
  mutable absl::Mutex mutex_;
  std::array<Last, kParts> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_FAILURES_H_
