// A folder of YAML files as the source of the mesh's configuration: reads it whole, watches it with
// inotify, and hands over a model only when everything in it is valid together; otherwise the last
// good model stays in force and the problems are kept for whoever asks. Also applies and deletes
// objects on behalf of the Control API, each file replaced atomically. Owns one thread. Any thread
// may call it; `on_change` runs under its lock and must not call back.
#ifndef MELTEMI_CONTROL_PILOT_REGISTRY_FILE_FILE_REGISTRY_H_
#define MELTEMI_CONTROL_PILOT_REGISTRY_FILE_FILE_REGISTRY_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "control/pilot/registry/file/store.h"

namespace meltemi::control::pilot::registry {

class FileRegistry {
 public:
  struct State {
    std::shared_ptr<const model::Model> model;  // last good; null: there never was one
    model::Problems problems;                   // of the folder's present content
    std::vector<model::Document> documents;     // of the folder's present content
    absl::Time changed = absl::InfinitePast();  // when `model` came into force
  };
  using OnChange = std::function<void(const State&)>;

  // Reads the folder once (its problems are in state()) and begins to watch it. An error when it
  // cannot be read or watched at all.
  static absl::StatusOr<std::unique_ptr<FileRegistry>> Start(std::string folder, std::string domain,
                                                             OnChange on_change);
  ~FileRegistry();

  State state() const;
  enum class Mode { kWrite, kDryRun };
  absl::StatusOr<Plan> Apply(const std::vector<std::pair<std::string, std::string>>& given,
                             Mode mode);
  absl::StatusOr<Plan> Delete(const std::vector<ObjectName>& names);

 private:
  FileRegistry(std::string folder, std::string domain, OnChange on_change, int inotify, int wake);
  void Watch();
  absl::Status Reload() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Files> ReadFolder() const;
  absl::Status Carry(const Plan& plan) const;

  const std::string folder_;
  const std::string domain_;
  const OnChange on_change_;
  const int inotify_;
  const int wake_;  // eventfd: written once, to stop
  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  Files files_ ABSL_GUARDED_BY(mutex_);
  bool read_once_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace meltemi::control::pilot::registry

#endif  // MELTEMI_CONTROL_PILOT_REGISTRY_FILE_FILE_REGISTRY_H_
