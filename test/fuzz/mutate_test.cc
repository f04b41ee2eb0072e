#include "test/fuzz/mutate.h"

#include <set>

#include "gtest/gtest.h"

namespace meltemi::fuzz {
namespace {

// Goal: a failing input can be made again from its number. Method: two mutators, any order.
TEST(Mutator, InputDependsOnSeedAndNumberAlone) {
  const Mutator a({"hello world", "other input"}, 7, 100),
      b({"hello world", "other input"}, 7, 100);
  const std::string third = a.Input(3);
  a.Input(9);
  EXPECT_EQ(b.Input(3), third);
  EXPECT_EQ(a.Input(3), third);
  int differing = 0;
  const Mutator c({"hello world", "other input"}, 8, 100);
  for (int n = 0; n < 100; ++n) differing += a.Input(n) != c.Input(n);
  EXPECT_GT(differing, 80);
}

// Goal: variety within the bound. Method: count distinct outputs.
TEST(Mutator, MakesManyInputsWithinTheSize) {
  const Mutator mutator({std::string(60, 'a'), "b"}, 1, 64);
  std::set<std::string> seen;
  for (int n = 0; n < 1000; ++n) {
    const std::string input = mutator.Input(n);
    ASSERT_LE(input.size(), 64u);
    seen.insert(input);
  }
  EXPECT_GT(seen.size(), 500u);
}

TEST(Mutator, LivesWithoutACorpus) {
  const Mutator mutator({}, 1, 64);
  size_t bytes = 0;
  for (int n = 0; n < 100; ++n) bytes += mutator.Input(n).size();
  EXPECT_GT(bytes, 0u);
}

}  // namespace
}  // namespace meltemi::fuzz
