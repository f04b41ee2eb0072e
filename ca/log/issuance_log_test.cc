#include "ca/log/issuance_log.h"

#include <gtest/gtest.h>

#include "l7/policy/jwt/json.h"

namespace meltemi::ca {
namespace {

IssuanceRecord Sample() {
  return {.time = absl::FromUnixSeconds(1'700'000'000),
          .serial = "4a",
          .identity = "spiffe://d/ns/n/sa/s",
          .method = "jwt",
          .node = "a\"\n",
          .generation = 3,
          .not_before = absl::FromUnixSeconds(1'700'000'000),
          .not_after = absl::FromUnixSeconds(1'700'086'400)};
}

// A file whose appends and syncs are counted and can fail.
class CountingFile final : public AppendFile {
 public:
  struct Counts {
    std::string content;
    int syncs = 0;
    bool full = false;
  };
  explicit CountingFile(Counts* counts) : counts_(counts) {}
  absl::Status Append(std::string_view bytes) override {
    // As a disk that fills up: half of the line gets there.
    counts_->content += bytes.substr(0, counts_->full ? bytes.size() / 2 : bytes.size());
    return counts_->full ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  }
  absl::Status Sync() override {
    ++counts_->syncs;
    return absl::OkStatus();
  }

 private:
  Counts* const counts_;
};

class OneFile final : public Files {
 public:
  explicit OneFile(CountingFile::Counts* counts) : counts_(counts) {}
  absl::StatusOr<std::string> Read(const std::string&, size_t, Secrecy) override { return None(); }
  absl::Status Replace(const std::string&, std::string_view) override { return None(); }
  absl::Status Remove(const std::string&) override { return None(); }
  absl::StatusOr<std::vector<std::string>> List(const std::string&) override { return None(); }
  absl::Status MakeFolder(const std::string&) override { return None(); }
  absl::Status RemoveFolder(const std::string&) override { return None(); }
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string&) override { return None(); }
  absl::StatusOr<std::unique_ptr<AppendFile>> Append(const std::string&) override {
    return std::make_unique<CountingFile>(counts_);
  }

 private:
  static absl::Status None() { return absl::UnimplementedError("not for this test"); }
  CountingFile::Counts* const counts_;
};

TEST(IssuanceLog, LinesAreJson) {
  const std::string line = ToLine(Sample());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = policy::Json::Parse(line);
  ASSERT_TRUE(json.ok()) << line;
  EXPECT_EQ(json->StringOf("time"), "2023-11-14T22:13:20Z");
  EXPECT_EQ(json->StringOf("node"), "a\"\n");
  EXPECT_EQ(json->StringOf("not_after"), "2023-11-15T22:13:20Z");
  EXPECT_EQ(json->Find("generation")->AsInteger(), 3);
  EXPECT_EQ(json->Find("caller"), nullptr);
}

TEST(IssuanceLog, AFullDiskIsToldAndALineThatIsTornStaysAlone) {
  CountingFile::Counts file;
  OneFile files(&file);
  const auto log = IssuanceLog::Open(&files, "log", SyncPolicy::kNever);
  ASSERT_TRUE(log.ok());
  const std::string line = ToLine(Sample());
  file.full = true;
  EXPECT_EQ((*log)->Record(Sample()).code(), absl::StatusCode::kResourceExhausted);
  file.full = false;
  EXPECT_TRUE((*log)->Record(Sample()).ok());
  EXPECT_TRUE((*log)->Record(Sample()).ok());
  EXPECT_EQ(file.content, line.substr(0, line.size() / 2) + "\n" + line + line);
}

TEST(IssuanceLog, SyncsAsItWasTold) {
  const auto syncs = [](SyncPolicy policy) {
    CountingFile::Counts file;
    OneFile files(&file);
    const auto log = IssuanceLog::Open(&files, "log", policy);
    IssuanceRecord record = Sample();
    for (int i = 0; i < 5; ++i) {  // at 0, 0.5, 1, 1.5 and 2 seconds
      EXPECT_TRUE((*log)->Record(record).ok());
      record.time += absl::Milliseconds(500);
    }
    return file.syncs;
  };
  EXPECT_EQ(syncs(SyncPolicy::kAlways), 5);
  EXPECT_EQ(syncs(SyncPolicy::kSecond), 3);
  EXPECT_EQ(syncs(SyncPolicy::kNever), 0);
  EXPECT_EQ(*SyncPolicyByName("second"), SyncPolicy::kSecond);
  EXPECT_FALSE(SyncPolicyByName("sometimes").ok());
}

}  // namespace
}  // namespace meltemi::ca
