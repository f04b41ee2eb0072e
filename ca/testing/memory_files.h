// Files in memory for tests: a disk that can be full, and whose content can be looked at. One
// thread, or any with the test's own order; locks are only counted.
#ifndef MELTEMI_CA_TESTING_MEMORY_FILES_H_
#define MELTEMI_CA_TESTING_MEMORY_FILES_H_

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/synchronization/mutex.h"
#include "ca/keystore/files.h"

namespace meltemi::ca::testing {

class MemoryFiles final : public Files {
 public:
  // Writes fail from the `n`th from now on, as on a full disk; -1: they do not.
  void FailWritesAfter(int n) { writes_left_ = n; }
  // Paths that count as readable by others.
  void Expose(const std::string& path) { exposed_.insert(path); }
  std::map<std::string, std::string>& content() { return content_; }

  absl::StatusOr<std::string> Read(const std::string& path, size_t bytes_max,
                                   Secrecy secrecy) override;
  absl::Status Replace(const std::string& path, std::string_view bytes) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override;
  absl::Status MakeFolder(const std::string& path) override;
  absl::Status RemoveFolder(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<AppendFile>> Append(const std::string& path) override;

  absl::Status AppendTo(const std::string& path, std::string_view bytes);

 private:
  absl::Status CountWrite(const std::string& path);
  std::map<std::string, std::string> content_;
  std::set<std::string> exposed_;
  int writes_left_ = -1;
};

}  // namespace meltemi::ca::testing

#endif  // MELTEMI_CA_TESTING_MEMORY_FILES_H_
