#include "l7/http/header_block.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/prng.h"
#include "l7/base/text.h"

namespace meltemi::http {
namespace {

std::string Text(const HeaderBlock& block) {
  std::string text;
  for (const Header& h : block.headers()) AppendTo(&text, h.name, "=", h.value, ";");
  return text;
}

TEST(KnownHeader, FindsEachNameAndNoOther) {
  for (int i = 1; i <= static_cast<int>(Known::kAuthorization); ++i) {
    const auto known = static_cast<Known>(i);
    EXPECT_EQ(FindKnown(Name(known)), known) << Name(known);
    EXPECT_EQ(FindKnown(Cat(Name(known), "x")), Known::kOther);
    EXPECT_EQ(FindKnown(Name(known).substr(1)), Known::kOther);
  }
  EXPECT_EQ(FindKnown(""), Known::kOther);
  EXPECT_EQ(FindKnown("x-other"), Known::kOther);
}

TEST(HeaderBlock, KeepsOrderAndFindsByEitherName) {
  HeapBufferPool pool;
  HeaderBlock block(&pool);
  EXPECT_TRUE(block.Add("x-a", "1"));
  EXPECT_TRUE(block.Add("host", "h"));
  EXPECT_TRUE(block.Add(Known::kUserAgent, ""));
  EXPECT_TRUE(block.Add("x-a", "2"));
  EXPECT_EQ(Text(block), "x-a=1;host=h;user-agent=;x-a=2;");
  EXPECT_EQ(block.Get(Known::kHost), "h");
  EXPECT_EQ(block.Get("host"), "h");
  EXPECT_EQ(block.Get("x-a"), "1");
  EXPECT_EQ(block.Joined("x-a"), "1,2");
  EXPECT_EQ(block.Joined("x-b"), std::nullopt);
  EXPECT_TRUE(block.Has(Known::kUserAgent));  // empty is not absent
  EXPECT_NE(block.Get(Known::kUserAgent).data(), nullptr);
  EXPECT_EQ(block.Get(Known::kCookie).data(), nullptr);
  EXPECT_EQ(block.wire_bytes(),
            std::string("x-a: 1\r\nhost: h\r\nuser-agent: \r\nx-a: 2\r\n").size());
}

TEST(HeaderBlock, SetReplacesAllLinesWhereTheFirstStood) {
  HeapBufferPool pool;
  HeaderBlock block(&pool);
  for (const char* name : {"x-a", "cookie", "x-b", "cookie", "x-a"})
    ASSERT_TRUE(block.Add(name, "v"));
  EXPECT_TRUE(block.Set("x-a", "new"));
  EXPECT_TRUE(block.Set(Known::kCookie, ""));
  EXPECT_TRUE(block.Set("x-c", "added"));
  EXPECT_EQ(Text(block), "x-a=new;cookie=;x-b=v;x-c=added;");
  // The argument may view the line that goes.
  EXPECT_TRUE(block.Set("x-a", block.Get("x-a").substr(1)));
  EXPECT_EQ(block.Get("x-a"), "ew");
  EXPECT_EQ(block.Remove("x-b"), 1u);
  EXPECT_EQ(block.Remove(Known::kCookie), 1u);
  EXPECT_EQ(block.Remove("cookie"), 0u);
  EXPECT_FALSE(block.Has(Known::kCookie));
  EXPECT_EQ(Text(block), "x-a=ew;x-c=added;");
}

// Goal: many headers, added and removed at random, behave like a vector. Method: a model.
TEST(HeaderBlock, BehavesLikeAVector) {
  HeapBufferPool pool;
  Prng prng(1);
  HeaderBlock block(&pool);
  std::vector<std::pair<std::string, std::string>> model;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = Cat("x-", prng.Below(20)), value = Cat("v", i);
    const auto same = [&](const auto& line) { return line.first == name; };
    switch (prng.Below(8)) {
      case 0:
        EXPECT_EQ(block.Remove(name), std::erase_if(model, same));
        break;
      case 1: {
        ASSERT_TRUE(block.Set(name, value));
        const auto first = std::find_if(model.begin(), model.end(), same);
        if (first == model.end()) {
          model.emplace_back(name, value);
        } else {
          *first = {name, value};
          model.erase(std::remove_if(first + 1, model.end(), same), model.end());
        }
        break;
      }
      default:
        ASSERT_TRUE(block.Add(name, value));
        model.emplace_back(name, value);
    }
    ASSERT_EQ(block.size(), model.size());
    std::string expected;
    for (const auto& [n, v] : model) AppendTo(&expected, n, "=", v, ";");
    ASSERT_EQ(Text(block), expected);
    if (i % 500 == 499) {
      block.Clear();
      model.clear();
      ASSERT_EQ(pool.outstanding(), 0u);
    }
  }
}

TEST(HeaderBlock, FitsTheUsualHeadersInOneAllocation) {
  HeapBufferPool pool;
  HeaderBlock block(&pool);
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(block.Add(Cat("x-header-", i), std::string(60, 'v')));
  EXPECT_EQ(pool.outstanding(), 1u);
  HeaderBlock moved(std::move(block));
  EXPECT_EQ(moved.size(), 16u);
  EXPECT_EQ(moved.Get("x-header-15"), std::string(60, 'v'));
  EXPECT_EQ(block.size(), 0u);  // NOLINT: a block that was moved from is empty
  EXPECT_TRUE(block.Add("x", "y"));
  block = std::move(moved);
  EXPECT_EQ(block.size(), 16u);
}

TEST(HeaderBlock, RefusesWhatDoesNotFit) {
  HeapBufferPool pool(2048, 1);
  HeaderBlock block(&pool);
  EXPECT_TRUE(block.Add("x-a", "1"));
  EXPECT_FALSE(block.Add("x-b", std::string(1500, 'v')));  // a second buffer, and there is none
  EXPECT_FALSE(block.Set("x-a", std::string(2049, 'v')));  // larger than any
  EXPECT_EQ(Text(block), "x-a=1;");
  EXPECT_EQ(block.Keep(std::string(3000, 'v')).data(), nullptr);
}

}  // namespace
}  // namespace meltemi::http
