// Goal: it is XXH64. Method: digests that the reference implementation gives, of every code path.
#include "l7/base/xx_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace meltemi {
namespace {

TEST(XxHash64, KnownDigests) {
  EXPECT_EQ(XxHash64(""), 0xef46db3751d8e999u);
  EXPECT_EQ(XxHash64("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(XxHash64("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(XxHash64("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1u);
  EXPECT_EQ(XxHash64("xxhash", 20141025), 0xb559b98d844e0635u);
}

}  // namespace
}  // namespace meltemi
