#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "ca/keystore/files.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr size_t kAny = 1 << 20;

std::string Folder() {
  const char* base = getenv("TEST_TMPDIR");
  std::string path = Cat(base == nullptr ? "/tmp" : base, "/files.XXXXXX");
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  return path;
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

TEST(DiskFiles, ReplacedFilesAreWholeAndPrivate) {
  DiskFiles files;
  const std::string folder = Folder() + "/a/b";
  ASSERT_TRUE(files.MakeFolder(folder).ok());
  ASSERT_TRUE(files.MakeFolder(folder).ok());  // it is there
  EXPECT_EQ(ModeOf(folder), 0700u);
  const std::string path = folder + "/key";
  umask(0);
  ASSERT_TRUE(files.Replace(path, "one").ok());
  ASSERT_TRUE(files.Replace(path, "two").ok());
  EXPECT_EQ(ModeOf(path), 0600u);
  EXPECT_EQ(*files.Read(path, kAny, Files::Secrecy::kSecret), "two");
  EXPECT_EQ(*files.List(folder), std::vector<std::string>{"key"});
  EXPECT_EQ(*files.Read(path, 3, Files::Secrecy::kSecret), "two");
  EXPECT_FALSE(files.Read(path, 2, Files::Secrecy::kSecret).ok());
  chmod(path.c_str(), 0640);
  EXPECT_EQ(files.Read(path, kAny, Files::Secrecy::kSecret).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(files.Read(path, kAny, Files::Secrecy::kPublic).ok());
  EXPECT_TRUE(files.Remove(path).ok());
  EXPECT_EQ(files.Remove(path).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files.Read(path, kAny, Files::Secrecy::kPublic).status().code(),
            absl::StatusCode::kNotFound);
}

// Goal: a full disk is an error that says so, and the old file stays. Method: a limit on the size
// of files, which the kernel enforces as it does a full disk, in a process of its own.
TEST(DiskFiles, AFullDiskLeavesTheOldFile) {
  const std::string folder = Folder();
  const pid_t child = fork();
  if (child == 0) {
    DiskFiles files;
    const std::string path = folder + "/state";
    signal(SIGXFSZ, SIG_IGN);
    bool good = files.Replace(path, "old").ok();
    const rlimit limit{.rlim_cur = 1000, .rlim_max = 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    good = good && files.Replace(path, std::string(5000, 'x')).code() ==
                       absl::StatusCode::kResourceExhausted;
    good = good && *files.Read(path, kAny, Files::Secrecy::kSecret) == "old";
    good = good && files.List(folder)->size() == 1;  // no leftover
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(DiskFiles, AppendsAfterATornLineAndAfterRotation) {
  DiskFiles files;
  const std::string folder = Folder(), path = folder + "/log";
  ASSERT_TRUE(files.Replace(path, "one\ntor").ok());
  auto log = files.Append(path);
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE((*log)->Append("two\n").ok());
  ASSERT_TRUE((*log)->Sync().ok());
  EXPECT_EQ(*files.Read(path, kAny, Files::Secrecy::kSecret), "one\ntor\ntwo\n");
  ASSERT_EQ(rename(path.c_str(), (path + ".1").c_str()), 0);
  ASSERT_TRUE((*log)->Append("three\n").ok());
  EXPECT_EQ(*files.Read(path, kAny, Files::Secrecy::kSecret), "three\n");
}

TEST(DiskFiles, AppendToAFullDeviceIsAnError) {
  DiskFiles files;
  auto log = files.Append("/dev/full");
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ((*log)->Append("x\n").code(), absl::StatusCode::kResourceExhausted);
}

TEST(DiskFiles, TheLockKeepsOthersOut) {
  DiskFiles files;
  const std::string path = Folder() + "/lock";
  auto lock = files.Lock(path);
  ASSERT_TRUE(lock.ok());
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    lock->reset();  // its copy of the parent's, which goes on holding
    char byte = 'x';
    (void)!write(pipe_ends[1], &byte, 1);
    const auto second = DiskFiles().Lock(path);
    byte = second.ok() ? 'y' : 'n';
    (void)!write(pipe_ends[1], &byte, 1);
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);  // it is about to lock
  fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  EXPECT_EQ(read(pipe_ends[0], &byte, 1), -1);  // and has not got it
  fcntl(pipe_ends[0], F_SETFL, 0);
  lock->reset();
  ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  int status = 0;
  waitpid(child, &status, 0);
}

}  // namespace
}  // namespace meltemi::ca
