#include "ca/authn/join_tokens.h"

#include <gtest/gtest.h>

#include "ca/limits.h"
#include "ca/testing/memory_files.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const Identity kNode{"cluster.local", "meltemi-system", "meltemi-node"};

class JoinTokensTest : public ::testing::Test {
 protected:
  std::string Create(absl::Duration ttl = absl::Hours(1)) {
    const auto token = tokens_.Create(kNode, "node-a", ttl, kNow, [this](absl::Span<uint8_t> out) {
      for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(i + 40 * serial_);
      ++serial_;
    });
    EXPECT_TRUE(token.ok()) << token.status();
    return token.value_or("");
  }
  testing::MemoryFiles files_;
  JoinTokens tokens_{&files_, "/d/join-tokens"};
  int serial_ = 0;
};

TEST_F(JoinTokensTest, IsGoodOnce) {
  const std::string token = Create();
  EXPECT_TRUE(JoinTokens::LooksLikeOne(token));
  const auto caller = tokens_.Check(token, kNow);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->identity, kNode);
  EXPECT_EQ(caller->node, "node-a");
  EXPECT_EQ(caller->method, "join");
  EXPECT_TRUE(tokens_.Check(token, kNow).ok());  // checking does not consume
  EXPECT_TRUE(tokens_.Consume(caller->join_token).ok());
  EXPECT_EQ(tokens_.Consume(caller->join_token).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(tokens_.Check(token, kNow).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(JoinTokensTest, TheSecretIsNotKept) {
  const std::string token = Create();
  const std::string secret = token.substr(token.rfind('.') + 1);
  for (const auto& [path, text] : files_.content()) {
    EXPECT_EQ(text.find(secret), std::string::npos) << path;
  }
}

TEST_F(JoinTokensTest, OtherTextsAreRefused) {
  const std::string token = Create();
  std::string wrong_secret = token;
  wrong_secret.back() = wrong_secret.back() == 'A' ? 'B' : 'A';
  for (const std::string& bad :
       {std::string(), std::string("mjt1."), std::string("mjt1.x.y"), wrong_secret,
        token.substr(0, token.size() - 1), token + "x", std::string("mjt1.../../../state.x"),
        "x" + token, std::string("mjt1.0000000000000000.") + token.substr(22)}) {
    EXPECT_EQ(tokens_.Check(bad, kNow).status().code(), absl::StatusCode::kUnauthenticated) << bad;
  }
}

TEST_F(JoinTokensTest, Expires) {
  const std::string token = Create(absl::Minutes(10));
  EXPECT_TRUE(tokens_.Check(token, kNow + absl::Minutes(10) - absl::Seconds(1)).ok());
  EXPECT_FALSE(tokens_.Check(token, kNow + absl::Minutes(10)).ok());
  const std::string later = Create(absl::Hours(1));
  tokens_.Sweep(kNow + absl::Minutes(10));
  EXPECT_EQ(files_.content().size(), 1u);
  EXPECT_TRUE(tokens_.Check(later, kNow).ok());
  EXPECT_FALSE(tokens_.Create(kNode, "", absl::ZeroDuration(), kNow, [](auto) {}).ok());
}

TEST_F(JoinTokensTest, UnusedOnesAreBounded) {
  Create(absl::Minutes(10));
  for (size_t i = 1; i < limits::kJoinTokensMax - 1; ++i) {
    files_.content()[Cat("/d/join-tokens/", i)] = "{}";
  }
  const std::string last = Create(absl::Hours(1));
  const auto create = [this](absl::Time now) {
    return tokens_.Create(kNode, "", absl::Hours(1), now, [](auto) {}).status();
  };
  EXPECT_EQ(create(kNow).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(create(kNow).message(), "too many unused join tokens");
  // One that is used, or has expired, makes room.
  EXPECT_TRUE(create(kNow + absl::Minutes(10)).ok());
  EXPECT_FALSE(create(kNow + absl::Minutes(10)).ok());
  EXPECT_TRUE(tokens_.Consume(tokens_.Check(last, kNow)->join_token).ok());
  EXPECT_TRUE(create(kNow + absl::Minutes(10)).ok());
}

TEST_F(JoinTokensTest, AFullDiskIsTold) {
  files_.FailWritesAfter(1);  // the folder
  EXPECT_EQ(tokens_.Create(kNode, "", absl::Hours(1), kNow, [](auto) {}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace meltemi::ca
