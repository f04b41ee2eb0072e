#include "control/pilot/registry/file/file_registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "control/common/log.h"

namespace meltemi::control::pilot::registry {
namespace {

constexpr size_t kFilesMax = 20'000;
constexpr absl::Duration kQuiet = absl::Milliseconds(20);
constexpr absl::Duration kLongest = absl::Milliseconds(200);

absl::Status Errno(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

// Readers see the old text or the new one, never half of it, also after a power cut.
absl::Status WriteFile(const std::string& folder, const std::string& name, const std::string& text,
                       mode_t mode) {
  const std::string temporary = absl::StrCat(folder, "/.", name, ".tmp");
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return Errno(temporary);
  if (fchmod(fd, mode) != 0) {  // a leftover of a crash keeps its own
    const absl::Status status = Errno(temporary);
    close(fd);
    return status;
  }
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = write(fd, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const absl::Status status = Errno(temporary);
      close(fd);
      unlink(temporary.c_str());
      return status;
    }
    written += n;
  }
  const bool synced = fsync(fd) == 0;
  if (close(fd) != 0 || !synced) return Errno(temporary);
  const std::string final_name = absl::StrCat(folder, "/", name);
  if (rename(temporary.c_str(), final_name.c_str()) != 0) return Errno(final_name);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileRegistry>> FileRegistry::Start(std::string folder,
                                                                  std::string domain,
                                                                  OnChange on_change) {
  const int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify < 0) return Errno("inotify");
  const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE;
  if (inotify_add_watch(inotify, folder.c_str(), events) < 0) {
    const absl::Status status = Errno(absl::StrCat("watching ", folder));
    close(inotify);
    return status;
  }
  std::unique_ptr<FileRegistry> registry(new FileRegistry(std::move(folder), std::move(domain),
                                                          std::move(on_change), inotify,
                                                          eventfd(0, EFD_CLOEXEC)));
  {
    const absl::MutexLock lock(&registry->mutex_);
    const absl::Status status = registry->Reload();
    if (!status.ok()) return status;
  }
  registry->thread_ = std::thread([r = registry.get()] { r->Watch(); });
  return registry;
}

FileRegistry::FileRegistry(std::string folder, std::string domain, OnChange on_change, int inotify,
                           int wake)
    : folder_(std::move(folder)),
      domain_(std::move(domain)),
      on_change_(std::move(on_change)),
      inotify_(inotify),
      wake_(wake) {}

FileRegistry::~FileRegistry() {
  const uint64_t one = 1;
  // An eventfd takes eight bytes whole; there is nothing to be done if it did not.
  [[maybe_unused]] const ssize_t ignored = write(wake_, &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
  close(inotify_);
  close(wake_);
}

FileRegistry::State FileRegistry::state() const {
  const absl::MutexLock lock(&mutex_);
  return state_;
}

void FileRegistry::Watch() {
  Debouncer debouncer(kQuiet, kLongest);
  while (true) {
    int timeout_ms = -1;
    if (debouncer.due() != absl::InfiniteFuture()) {
      const absl::Duration left = debouncer.due() - absl::Now();
      timeout_ms = static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(left) + 1));
    }
    pollfd fds[2] = {{inotify_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if ((fds[0].revents & POLLIN) != 0) {
      alignas(inotify_event) char buffer[16384];
      // Which file it was does not matter: the folder is read whole.
      while (read(inotify_, buffer, sizeof(buffer)) > 0) {
      }
      debouncer.Event(absl::Now());
    }
    if (absl::Now() < debouncer.due()) continue;
    debouncer.Done();
    const absl::MutexLock lock(&mutex_);
    const absl::Status status = Reload();
    if (status.ok()) continue;
    state_.problems = {{folder_, "", "", std::string(status.message())}};
    common::Log(common::Level::kError, "registry unreadable",
                {{"folder", folder_}, {"error", std::string(status.message())}});
  }
}

absl::StatusOr<Files> FileRegistry::ReadFolder() const {
  DIR* dir = opendir(folder_.c_str());
  if (dir == nullptr) return Errno(folder_);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    if (IsObjectFile(entry->d_name)) names.emplace_back(entry->d_name);
  }
  closedir(dir);
  if (names.size() > kFilesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(folder_, ": more than ", kFilesMax, " files"));
  }
  Files files;
  for (const std::string& name : names) {
    std::ifstream in(absl::StrCat(folder_, "/", name), std::ios::binary);
    if (!in) {
      if (errno == ENOENT) continue;  // removed since the folder was listed: an event follows
      return Errno(absl::StrCat(folder_, "/", name));
    }
    std::ostringstream text;
    text << in.rdbuf();
    files[name] = text.str();
  }
  return files;
}

absl::Status FileRegistry::Reload() {
  absl::StatusOr<Files> files = ReadFolder();
  if (!files.ok()) return files.status();
  if (read_once_ && *files == files_) return absl::OkStatus();
  read_once_ = true;
  files_ = *std::move(files);
  Compiled compiled = Compile(files_, domain_);
  state_.documents = std::move(compiled.objects.documents);
  state_.problems = std::move(compiled.problems);
  for (const model::Problem& problem : state_.problems) {
    common::Log(common::Level::kError, "configuration refused", {{"why", ToString(problem)}});
  }
  if (compiled.model) {
    state_.model = std::make_shared<const model::Model>(*std::move(compiled.model));
    state_.changed = absl::Now();
    common::Log(common::Level::kInfo, "configuration in force",
                {{"objects", absl::StrCat(state_.documents.size())},
                 {"services", absl::StrCat(state_.model->services().size())}});
  }
  on_change_(state_);
  return absl::OkStatus();
}

absl::Status FileRegistry::Carry(const Plan& plan) const {
  for (const auto& [name, text] : plan.write) {
    const absl::Status status =
        WriteFile(folder_, name, text, plan.secret.contains(name) ? 0600 : 0644);
    if (!status.ok()) return status;
  }
  for (const std::string& name : plan.remove) {
    const std::string path = absl::StrCat(folder_, "/", name);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return Errno(path);
  }
  return absl::OkStatus();
}

absl::StatusOr<Plan> FileRegistry::Apply(
    const std::vector<std::pair<std::string, std::string>>& given, Mode mode) {
  const absl::MutexLock lock(&mutex_);
  absl::StatusOr<Files> now = ReadFolder();
  if (!now.ok()) return now.status();
  Plan plan = PlanApply(*now, given, domain_);
  if (!plan.problems.empty() || mode == Mode::kDryRun) return plan;
  absl::Status status = Carry(plan);
  status.Update(Reload());
  if (!status.ok()) return status;
  return plan;
}

absl::StatusOr<Plan> FileRegistry::Delete(const std::vector<ObjectName>& names) {
  const absl::MutexLock lock(&mutex_);
  absl::StatusOr<Files> now = ReadFolder();
  if (!now.ok()) return now.status();
  Plan plan = PlanDelete(*now, names, domain_);
  if (!plan.problems.empty()) return plan;
  absl::Status status = Carry(plan);
  status.Update(Reload());
  if (!status.ok()) return status;
  return plan;
}

}  // namespace meltemi::control::pilot::registry
