#include "dataplane/admin/access_log_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "control/common/log.h"

namespace meltemi::admin {

using control::common::Level;
using control::common::Log;

AccessLogWriter::~AccessLogWriter() {
  for (const auto& [path, fd] : files_) {
    if (fd > STDERR_FILENO) close(fd);
  }
}

void AccessLogWriter::Learn(const config::Snapshot& snapshot) {
  auto listeners = std::make_shared<PerListener>();
  for (const config::Listener& listener : snapshot.listeners) {
    std::vector<Target>& targets = listeners->emplace_back();
    const auto& logs = std::visit(
        [](const auto& filter) -> const std::vector<config::AccessLog>& {
          return filter.access_logs;
        },
        listener.filter);
    for (const config::AccessLog& log : logs) {
      auto format = telemetry::AccessLogFormat::Parse(log.format);
      if (!format.ok()) {
        Log(Level::kError, "access log format not usable",
            {{"listener", listener.name}, {"error", std::string(format.status().message())}});
        continue;
      }
      targets.push_back({*std::move(format), log.path});
    }
  }
  absl::MutexLock lock(&mutex_);
  snapshots_[snapshot.sequence] = std::move(listeners);
  while (snapshots_.size() > kSnapshotsKept) snapshots_.erase(snapshots_.begin());
}

int AccessLogWriter::Open(const std::string& path) {
  const auto found = files_.find(path);
  if (found != files_.end()) return found->second;
  int fd = -1;
  if (path == "/dev/stdout") {
    fd = STDOUT_FILENO;
  } else if (path == "/dev/stderr") {
    fd = STDERR_FILENO;
  } else {
    fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }
  if (fd < 0) {
    Log(Level::kError, "cannot open access log", {{"path", path}, {"error", std::strerror(errno)}});
  }
  files_[path] = fd;
  return fd;
}

void AccessLogWriter::Write(const telemetry::AccessRecord& record) {
  std::shared_ptr<const PerListener> listeners;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = snapshots_.find(record.snapshot_sequence);
    if (found != snapshots_.end()) listeners = found->second;
  }
  if (listeners == nullptr || record.listener >= listeners->size()) {
    ++lost_;
    return;
  }
  for (const Target& target : (*listeners)[record.listener]) {
    std::string line;
    target.format.Append(record, &line);
    const int fd = Open(target.path);
    if (fd < 0 || write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ++lost_;
  }
}

}  // namespace meltemi::admin
