// AccessLogWriter: formats access records and writes them to their files. Lines are collected and
// written at the end of each batch; a file that cannot be opened is reported once and its lines are
// counted lost.
//
// Thread: Learn on the agent's thread, Write and Flush on the control thread.
#ifndef MELTEMI_DATAPLANE_ADMIN_ACCESS_LOG_WRITER_H_
#define MELTEMI_DATAPLANE_ADMIN_ACCESS_LOG_WRITER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "l7/config/snapshot.h"
#include "l7/telemetry/access_log.h"
#include "l7/telemetry/access_record.h"

namespace meltemi::admin {

class AccessLogWriter {
 public:
  ~AccessLogWriter();
  // A snapshot is about to be published: what its listeners log, and where.
  void Learn(const config::Snapshot& snapshot);
  void Write(const telemetry::AccessRecord& record);
  uint64_t lost() const { return lost_; }

 private:
  struct Target {
    telemetry::AccessLogFormat format;
    std::string path;
  };
  using PerListener = std::vector<std::vector<Target>>;
  int Open(const std::string& path);

  static constexpr size_t kSnapshotsKept = 64;  // records of older ones are lost, counted

  absl::Mutex mutex_;
  std::map<uint64_t, std::shared_ptr<const PerListener>> snapshots_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> files_;  // control thread
  uint64_t lost_ = 0;
};

}  // namespace meltemi::admin

#endif  // MELTEMI_DATAPLANE_ADMIN_ACCESS_LOG_WRITER_H_
