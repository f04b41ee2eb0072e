#include "ca/keystore/keystore.h"

#include <gtest/gtest.h>

#include "ca/testing/memory_files.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

using testing::MemoryFiles;

Generation Sample(const std::string& name, Origin origin = Origin::kMade) {
  return {{.ca_cert = name + "cert",
           .ca_key = name + "key",
           .root_cert = name + "root",
           .cert_chain = name + "chain"},
          origin};
}

TEST(Keystore, RemembersWhatItWasGiven) {
  MemoryFiles files;
  Keystore store(&files, "/d");
  EXPECT_EQ(*store.ReadState(), std::nullopt);
  EXPECT_EQ(store.StateBytes().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*store.AddGeneration(Sample("a")), 1u);
  EXPECT_EQ(*store.AddGeneration(Sample("b", Origin::kPlugged)), 2u);
  const RotationState state{Phase::kDistributing, 1, 2, absl::FromUnixSeconds(5)};
  ASSERT_TRUE(store.WriteState(state).ok());
  EXPECT_EQ(**store.ReadState(), state);
  EXPECT_EQ(store.ReadGeneration(1)->material.ca_key, "akey");
  EXPECT_EQ(store.ReadGeneration(2)->origin, Origin::kPlugged);
  ASSERT_TRUE(store.RemoveGeneration(1).ok());
  EXPECT_EQ(store.ReadGeneration(1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(files.content().contains("/d/gen-1/ca-key.pem"));
  EXPECT_EQ(*store.AddGeneration(Sample("c")), 3u);  // numbers are not used again while 2 is there
}

TEST(Keystore, ABrokenStateIsNoEmptyOne) {
  MemoryFiles files;
  Keystore store(&files, "/d");
  files.content()["/d/state"] = "{";
  EXPECT_FALSE(store.ReadState().ok());
}

TEST(Keystore, KeysThatOthersMayReadAreRefused) {
  MemoryFiles files;
  Keystore store(&files, "/d");
  ASSERT_TRUE(store.AddGeneration(Sample("a")).ok());
  files.Expose("/d/gen-1/ca-key.pem");
  EXPECT_EQ(store.ReadGeneration(1).status().code(), absl::StatusCode::kFailedPrecondition);
}

// Goal: wherever the disk becomes full, the error says so and no half generation is left.
TEST(Keystore, AFullDiskLeavesNoHalfGeneration) {
  for (int writes = 0; writes < 6; ++writes) {
    MemoryFiles files;
    Keystore store(&files, "/d");
    files.FailWritesAfter(writes);
    EXPECT_EQ(store.AddGeneration(Sample("a")).status().code(),
              absl::StatusCode::kResourceExhausted)
        << writes;
    EXPECT_TRUE(files.content().empty()) << writes;
  }
  MemoryFiles files;
  Keystore store(&files, "/d");
  files.FailWritesAfter(6);
  EXPECT_TRUE(store.AddGeneration(Sample("a")).ok());
  EXPECT_EQ(store.WriteState({}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(*store.ReadState(), std::nullopt);
}

TEST(Cacerts, NeedNoChain) {
  MemoryFiles files;
  files.content() = {{"/c/ca-cert.pem", "c"}, {"/c/ca-key.pem", "k"}, {"/c/root-cert.pem", "r"}};
  EXPECT_EQ(ReadCacerts(&files, "/c")->ca_key, "k");
  files.content().erase("/c/root-cert.pem");
  EXPECT_EQ(ReadCacerts(&files, "/c").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace meltemi::ca
