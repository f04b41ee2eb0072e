// The append-only record of every certificate the CA has made: one JSON object per line. A
// certificate whose line cannot be written is not handed out. Any thread; one mutex, for signing
// costs more than a line.
#ifndef MELTEMI_CA_LOG_ISSUANCE_LOG_H_
#define MELTEMI_CA_LOG_ISSUANCE_LOG_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "ca/keystore/files.h"

namespace meltemi::ca {

// When lines are made to survive a crash of the machine.
enum class SyncPolicy {
  kAlways,  // before the certificate is handed out
  kSecond,  // with the first line a second after the last time
  kNever,   // when the kernel likes
};
absl::StatusOr<SyncPolicy> SyncPolicyByName(std::string_view name);

struct IssuanceRecord {
  absl::Time time;
  std::string serial;
  std::string identity;  // what the certificate says
  std::string caller;    // who asked for it, when that is another
  std::string method;    // how the caller was known: "jwt", "tokenreview", "join", "certificate"
  std::string node;      // the caller's node, when it is known
  std::string peer;      // the address it came from
  std::string key;       // "ECDSA P-256"
  std::string csr_sha256;
  uint64_t generation = 0;  // of the CA
  absl::Time not_before;
  absl::Time not_after;
};
std::string ToLine(const IssuanceRecord& record);

class IssuanceLog {
 public:
  static absl::StatusOr<std::unique_ptr<IssuanceLog>> Open(Files* files, const std::string& path,
                                                           SyncPolicy policy);
  absl::Status Record(const IssuanceRecord& record);

 private:
  IssuanceLog(std::unique_ptr<AppendFile> file, SyncPolicy policy)
      : policy_(policy), file_(std::move(file)) {}

  const SyncPolicy policy_;
  absl::Mutex mutex_;
  std::unique_ptr<AppendFile> file_ ABSL_GUARDED_BY(mutex_);
  absl::Time synced_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool torn_ ABSL_GUARDED_BY(mutex_) = false;  // the last line may lack its end
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_LOG_ISSUANCE_LOG_H_
