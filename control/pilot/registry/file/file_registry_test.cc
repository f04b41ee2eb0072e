// Goal: the folder changed by its watcher and by callers at once: nothing is lost and the callback
// sees the states in order. Method: threads that apply and read over a folder that another hand
// writes into; run under ThreadSanitizer too (pilot_test is not: see .bazelrc).
#include "control/pilot/registry/file/file_registry.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::registry {
namespace {

constexpr int kThreads = 3;
constexpr int kEach = 10;

std::string Service(const std::string& name) {
  return absl::StrCat("apiVersion: v1\nkind: Service\nmetadata:\n  name: ", name,
                      "\nspec:\n  ports:\n  - name: http\n    port: 80\n");
}

// What the callback saw; read by the test's thread while the registry's threads call.
class Seen {
 public:
  void Add(const FileRegistry::State& state) {
    const absl::MutexLock lock(&mutex_);
    ordered_ = ordered_ && state.changed >= last_.changed;
    last_ = state;
  }
  void AwaitServices(size_t count) {
    const absl::MutexLock lock(&mutex_);
    count_ = count;
    mutex_.Await(absl::Condition(
        +[](Seen* s) {
          return s->last_.model != nullptr && s->last_.model->services().size() == s->count_;
        },
        this));
  }
  bool ordered() const {
    const absl::MutexLock lock(&mutex_);
    return ordered_;
  }

 private:
  mutable absl::Mutex mutex_;
  FileRegistry::State last_;
  bool ordered_ = true;
  size_t count_ = 0;
};

std::string EmptyFolder() {
  const char* root = std::getenv("TEST_TMPDIR");
  const std::string folder = absl::StrCat(root == nullptr ? testing::TempDir() : root, "/registry");
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

TEST(FileRegistryTest, WritersReadersAndTheWatcherAtOnce) {
  const std::string folder = EmptyFolder();
  Seen seen;
  auto registry = FileRegistry::Start(
      folder, "cluster.local", [&seen](const FileRegistry::State& state) { seen.Add(state); });
  ASSERT_TRUE(registry.ok()) << registry.status();

  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&registry, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string name = absl::StrCat("applied-", t, "-", i);
        const auto plan = (*registry)->Apply({{name, Service(name)}}, FileRegistry::Mode::kWrite);
        EXPECT_TRUE(plan.ok() && plan->problems.empty()) << name;
        EXPECT_NE((*registry)->state().model, nullptr);
      }
    });
  }
  for (int i = 0; i < kEach; ++i) {
    const std::string name = absl::StrCat("written-", i);
    std::ofstream(folder + "/.tmp") << Service(name);
    std::filesystem::rename(folder + "/.tmp", absl::StrCat(folder, "/", name, ".yaml"));
  }
  for (std::thread& thread : threads) thread.join();

  seen.AwaitServices((kThreads + 1) * kEach);
  EXPECT_TRUE(seen.ordered());
  EXPECT_TRUE((*registry)->state().problems.empty());
}

}  // namespace
}  // namespace meltemi::control::pilot::registry
