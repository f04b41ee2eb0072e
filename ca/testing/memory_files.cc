#include "ca/testing/memory_files.h"

#include "l7/base/text.h"

namespace meltemi::ca::testing {
namespace {

class NoLock final : public FileLock {};

class MemoryAppendFile final : public AppendFile {
 public:
  MemoryAppendFile(MemoryFiles* files, std::string path) : files_(files), path_(std::move(path)) {}
  absl::Status Append(std::string_view bytes) override { return files_->AppendTo(path_, bytes); }
  absl::Status Sync() override { return absl::OkStatus(); }

 private:
  MemoryFiles* const files_;
  const std::string path_;
};

}  // namespace

absl::Status MemoryFiles::CountWrite(const std::string& path) {
  if (writes_left_ == 0) {
    return absl::ResourceExhaustedError(Cat("writing ", path, ": No space left on device"));
  }
  if (writes_left_ > 0) --writes_left_;
  return absl::OkStatus();
}

absl::StatusOr<std::string> MemoryFiles::Read(const std::string& path, size_t bytes_max,
                                              Secrecy secrecy) {
  const auto it = content_.find(path);
  if (it == content_.end()) return absl::NotFoundError(Cat("reading ", path, ": not there"));
  if (it->second.size() > bytes_max) return absl::InvalidArgumentError("too large");
  if (secrecy == Secrecy::kSecret && exposed_.contains(path)) {
    return absl::FailedPreconditionError(Cat(path, " may be read by others than its owner"));
  }
  return it->second;
}

absl::Status MemoryFiles::Replace(const std::string& path, std::string_view bytes) {
  if (const absl::Status fits = CountWrite(path); !fits.ok()) return fits;
  content_[path] = std::string(bytes);
  return absl::OkStatus();
}

absl::Status MemoryFiles::Remove(const std::string& path) {
  return content_.erase(path) == 1 ? absl::OkStatus() : absl::NotFoundError(Abs(path));
}

absl::StatusOr<std::vector<std::string>> MemoryFiles::List(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& [path, bytes] : content_) {
    if (!path.starts_with(folder + "/")) continue;
    const std::string rest = path.substr(folder.size() + 1);
    names.insert(rest.substr(0, rest.find('/')));
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::Status MemoryFiles::MakeFolder(const std::string& path) { return CountWrite(path); }
absl::Status MemoryFiles::RemoveFolder(const std::string&) { return absl::OkStatus(); }

absl::StatusOr<std::unique_ptr<FileLock>> MemoryFiles::Lock(const std::string&) {
  return std::make_unique<NoLock>();
}

absl::StatusOr<std::unique_ptr<AppendFile>> MemoryFiles::Append(const std::string& path) {
  return std::make_unique<MemoryAppendFile>(this, path);
}

absl::Status MemoryFiles::AppendTo(const std::string& path, std::string_view bytes) {
  if (const absl::Status fits = CountWrite(path); !fits.ok()) return fits;
  content_[path] += bytes;
  return absl::OkStatus();
}

}  // namespace meltemi::ca::testing
