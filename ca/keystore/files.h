// Files as the keystore needs them: read whole, replaced atomically, appended to durably. An
// interface, so that tests can fill the disk. DiskFiles is the real one. Any thread.
#ifndef MELTEMI_CA_KEYSTORE_FILES_H_
#define MELTEMI_CA_KEYSTORE_FILES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace meltemi::ca {

// Held while it lives.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class AppendFile {
 public:
  virtual ~AppendFile() = default;
  // All of it or an error; after an error the file may end in a part of it.
  virtual absl::Status Append(std::string_view bytes) = 0;
  virtual absl::Status Sync() = 0;  // to the disk
};

class Files {
 public:
  enum class Secrecy {
    kPublic,
    kSecret,  // an error when the group or others may read it
  };

  virtual ~Files() = default;
  // NotFound when there is none; an error above `bytes_max`.
  virtual absl::StatusOr<std::string> Read(const std::string& path, size_t bytes_max,
                                           Secrecy secrecy) = 0;
  // After this returns OK the new content survives a crash; after an error, or a crash within, the
  // old content is still there. Mode 0600.
  virtual absl::Status Replace(const std::string& path, std::string_view bytes) = 0;
  // NotFound when there is none: of two who remove a file, one is told OK.
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& folder) = 0;  // sorted
  // Mode 0700, with its parents; fine when it is there.
  virtual absl::Status MakeFolder(const std::string& path) = 0;
  virtual absl::Status RemoveFolder(const std::string& path) = 0;  // an empty one
  // Waits until no other process holds it.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  // Opens for appending, made when missing, mode 0600. Text after the last line's end (a crash
  // while appending) gets an end of line of its own.
  virtual absl::StatusOr<std::unique_ptr<AppendFile>> Append(const std::string& path) = 0;
};

class DiskFiles final : public Files {
 public:
  absl::StatusOr<std::string> Read(const std::string& path, size_t bytes_max,
                                   Secrecy secrecy) override;
  absl::Status Replace(const std::string& path, std::string_view bytes) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override;
  absl::Status MakeFolder(const std::string& path) override;
  absl::Status RemoveFolder(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<AppendFile>> Append(const std::string& path) override;
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_KEYSTORE_FILES_H_
