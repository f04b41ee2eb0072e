#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ca/keystore/files.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;

absl::Status Failed(std::string_view what, const std::string& path, int error) {
  const std::string text = Cat(what, " ", path, ": ", strerror(error));
  if (error == ENOENT) return absl::NotFoundError(Abs(text));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return absl::ResourceExhaustedError(Abs(text));
  }
  return absl::UnavailableError(Abs(text));
}

// A descriptor with an owner.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("writing", path, errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A new name in a folder is on the disk when the folder is.
absl::Status SyncFolder(const std::string& folder) {
  const Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.open() || fsync(fd.get()) != 0) return Failed("syncing", folder, errno);
  return absl::OkStatus();
}

class DiskLock final : public FileLock {
 public:
  explicit DiskLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;  // closing it lets go
};

// Reopened when its name means another file, or none: logrotate moved it.
class DiskAppendFile final : public AppendFile {
 public:
  DiskAppendFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  static absl::StatusOr<Fd> Open(const std::string& path) {
    Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, kFileMode));
    if (!fd.open()) return Failed("opening", path, errno);
    const off_t size = lseek(fd.get(), 0, SEEK_END);
    char last = '\n';
    if (size > 0 && pread(fd.get(), &last, 1, size - 1) != 1) {
      return Failed("reading", path, errno);
    }
    if (last != '\n') {
      if (const absl::Status ended = WriteAll(fd.get(), "\n", path); !ended.ok()) return ended;
    }
    if (const absl::Status synced = SyncFolder(FolderOf(path)); !synced.ok()) return synced;
    return fd;
  }

  absl::Status Append(std::string_view bytes) override {
    if (Moved()) {
      absl::StatusOr<Fd> again = Open(path_);
      if (!again.ok()) return again.status();
      fd_ = *std::move(again);
    }
    return WriteAll(fd_.get(), bytes, path_);
  }
  absl::Status Sync() override {
    if (fdatasync(fd_.get()) == 0 || errno == EINVAL)
      return absl::OkStatus();  // a pipe has no disk
    return Failed("syncing", path_, errno);
  }

 private:
  bool Moved() const {
    struct stat ours {};
    struct stat named {};
    if (fstat(fd_.get(), &ours) != 0) return false;
    if (stat(path_.c_str(), &named) != 0) return true;
    return ours.st_ino != named.st_ino || ours.st_dev != named.st_dev;
  }

  Fd fd_;
  const std::string path_;
};

absl::Status WriteNew(const std::string& path, std::string_view bytes) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!fd.open()) return Failed("creating", path, errno);
  if (fchmod(fd.get(), kFileMode) != 0) return Failed("protecting", path, errno);
  if (const absl::Status written = WriteAll(fd.get(), bytes, path); !written.ok()) return written;
  if (fsync(fd.get()) != 0) return Failed("syncing", path, errno);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> DiskFiles::Read(const std::string& path, size_t bytes_max,
                                            Secrecy secrecy) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd.open() || fstat(fd.get(), &info) != 0) return Failed("reading", path, errno);
  if (secrecy == Secrecy::kSecret && (info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        Cat(path, " may be read by others than its owner: chmod 600 it"));
  }
  std::string out;
  char buffer[16 * 1024];
  while (out.size() <= bytes_max) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("reading", path, errno);
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
  }
  return absl::InvalidArgumentError(Cat(path, " is larger than ", bytes_max, " bytes"));
}

absl::Status DiskFiles::Replace(const std::string& path, std::string_view bytes) {
  // One writer at a time: the keystore's lock is held. A leftover of a crash is overwritten.
  const std::string fresh = path + ".new";
  absl::Status done = WriteNew(fresh, bytes);
  if (done.ok() && rename(fresh.c_str(), path.c_str()) != 0) done = Failed("naming", path, errno);
  if (!done.ok()) {
    unlink(fresh.c_str());  // it may not be there
    return done;
  }
  return SyncFolder(FolderOf(path));
}

absl::Status DiskFiles::Remove(const std::string& path) {
  if (unlink(path.c_str()) != 0) return Failed("removing", path, errno);
  return SyncFolder(FolderOf(path));
}

absl::StatusOr<std::vector<std::string>> DiskFiles::List(const std::string& folder) {
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return Failed("listing", folder, errno);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status DiskFiles::MakeFolder(const std::string& path) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), kFolderMode) != 0 && errno != EEXIST) {
      return Failed("making", part, errno);
    }
    if (at == std::string::npos) break;
  }
  return SyncFolder(FolderOf(path));
}

absl::Status DiskFiles::RemoveFolder(const std::string& path) {
  if (rmdir(path.c_str()) != 0) return Failed("removing", path, errno);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileLock>> DiskFiles::Lock(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!fd.open()) return Failed("locking", path, errno);
  int locked = 0;
  do {
    locked = flock(fd.get(), LOCK_EX);
  } while (locked != 0 && errno == EINTR);
  if (locked != 0) return Failed("locking", path, errno);
  return std::make_unique<DiskLock>(std::move(fd));
}

absl::StatusOr<std::unique_ptr<AppendFile>> DiskFiles::Append(const std::string& path) {
  absl::StatusOr<Fd> fd = DiskAppendFile::Open(path);
  if (!fd.ok()) return fd.status();
  return std::make_unique<DiskAppendFile>(*std::move(fd), path);
}

}  // namespace meltemi::ca
