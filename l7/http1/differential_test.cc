// Our decoders against llhttp in strict mode: the same messages, the same refusals, but for the
// intended differences listed in testing/compare.cc.
#include <cstdio>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "l7/base/prng.h"
#include "l7/http1/testing/generator.h"
#include "l7/http1/testing/streams.h"

namespace meltemi::http1 {
namespace {

constexpr int kRounds = 30'000;

std::string Readable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n\n";
    } else if (c >= ' ' && c < 0x7f) {
      text += c;
    } else {
      char hex[8];
      std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<uint8_t>(c));
      text += hex;
    }
  }
  return text;
}

// Goal: agreement on one stream.
testing::AssertionResult Agree(Side side, std::string_view bytes) {
  const Outcome ours = RunOurs(side, bytes, nullptr);
  const Outcome oracle = RunOracle(side, bytes);
  const std::string what = Differences(bytes, ours, oracle);
  if (what.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << what << " differs for\n"
                                     << Readable(bytes) << "\nours:\n"
                                     << Describe(ours) << "llhttp:\n"
                                     << Describe(oracle);
}

// Goal: what is valid is taken by both and means the same. Method: generated streams, fixed seed.
TEST(Differential, ValidRequestsMeanTheSame) {
  Prng prng(1);
  int messages = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::string stream = ValidRequests(&prng);
    ASSERT_TRUE(Agree(Side::kRequests, stream));
    const Outcome ours = RunOurs(Side::kRequests, stream, nullptr);
    ASSERT_FALSE(ours.error) << Readable(stream) << Describe(ours);
    ASSERT_TRUE(ours.messages.back().complete) << Readable(stream) << Describe(ours);
    messages += static_cast<int>(ours.messages.size());
  }
  EXPECT_GT(messages, kRounds);
}

TEST(Differential, ValidResponsesMeanTheSame) {
  Prng prng(2);
  for (int i = 0; i < kRounds; ++i) {
    const std::string stream = ValidResponses(&prng);
    ASSERT_TRUE(Agree(Side::kResponses, stream));
    const Outcome ours = RunOurs(Side::kResponses, stream, nullptr);
    ASSERT_FALSE(ours.error) << Readable(stream) << Describe(ours);
    ASSERT_TRUE(ours.messages.back().complete) << Readable(stream) << Describe(ours);
  }
}

// Goal: what is nearly valid is refused by both, or means the same to both. Method: faults put into
// valid streams, among them the known vectors of request smuggling.
TEST(Differential, DamagedRequestsMeanTheSame) {
  Prng prng(3);
  int refused = 0, taken = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::string stream = Damage(ValidRequests(&prng), &prng);
    ASSERT_TRUE(Agree(Side::kRequests, stream));
    (RunOurs(Side::kRequests, stream, nullptr).error ? refused : taken) += 1;
  }
  // The generator does its work: both happen often.
  EXPECT_GT(refused, kRounds / 4);
  EXPECT_GT(taken, kRounds / 10);
}

TEST(Differential, DamagedResponsesMeanTheSame) {
  Prng prng(4);
  int refused = 0, taken = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::string stream = Damage(ValidResponses(&prng), &prng);
    ASSERT_TRUE(Agree(Side::kResponses, stream));
    (RunOurs(Side::kResponses, stream, nullptr).error ? refused : taken) += 1;
  }
  EXPECT_GT(refused, kRounds / 10);
  EXPECT_GT(taken, kRounds / 10);
}

// Goal: the comparison itself can fail. Method: outcomes made different by hand.
TEST(Differential, NoticesEachDifference) {
  const std::string_view stream = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxy";
  const Outcome good = RunOurs(Side::kRequests, stream, nullptr);
  ASSERT_EQ(good.messages.size(), 1u);
  ASSERT_EQ(Differences(stream, good, RunOracle(Side::kRequests, stream)), "");
  const auto differs = [&](auto change) {
    Outcome other = good;
    change(other);
    return Differences(stream, other, good);
  };
  EXPECT_EQ(differs([](Outcome& o) { o.messages[0].method = "GET"; }), "method");
  EXPECT_EQ(differs([](Outcome& o) { o.messages[0].target = "/b"; }), "target");
  EXPECT_EQ(differs([](Outcome& o) { o.messages[0].body = "xz"; }), "body");
  EXPECT_EQ(differs([](Outcome& o) { o.messages[0].headers.pop_back(); }), "headers");
  EXPECT_EQ(differs([](Outcome& o) { o.messages[0].keep_alive = false; }), "keep_alive");
  EXPECT_EQ(differs([](Outcome& o) { o.messages.clear(); }), "only llhttp sees another message");
  EXPECT_EQ(differs([](Outcome& o) {
              o.error = true;
              o.reject = http::Reject::kBadHeaderName;
            }),
            "only we refuse");
}

// Goal: the meaning does not depend on how the bytes were split. Method: each stream whole and in
// random pieces.
TEST(Fragmentation, ChangesNothing) {
  Prng prng(5);
  for (int i = 0; i < kRounds; ++i) {
    const Side side = prng.Chance(1, 2) ? Side::kRequests : Side::kResponses;
    std::string stream = side == Side::kRequests ? ValidRequests(&prng) : ValidResponses(&prng);
    if (prng.Chance(1, 2)) stream = Damage(stream, &prng);
    const Outcome whole = RunOurs(side, stream, nullptr);
    const Outcome pieces = RunOurs(side, stream, &prng);
    ASSERT_EQ(whole, pieces) << Readable(stream) << "\nwhole:\n"
                             << Describe(whole) << "pieces:\n"
                             << Describe(pieces);
  }
}

}  // namespace
}  // namespace meltemi::http1
