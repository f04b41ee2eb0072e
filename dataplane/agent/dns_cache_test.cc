// Goal: names are asked for when they should be, and what was known outlives failures. Method: the
// pure cache in virtual time.
#include "dataplane/agent/dns_cache.h"

#include "gtest/gtest.h"

namespace meltemi::agent {
namespace {

using Names = std::vector<std::string>;

class DnsCacheTest : public ::testing::Test {
 protected:
  bool Answer(const std::string& name, const Names& addresses, const std::string& error = "") {
    DnsAnswer answer{.name = name, .error = error};
    for (const std::string& text : addresses) answer.addresses.push_back(*IpAddr::Parse(text));
    return cache_.OnAnswer(answer, now_);
  }
  Names Addresses(const std::string& name) const {
    Names texts;
    const auto found = cache_.addresses().find(name);
    if (found == cache_.addresses().end()) return {"unknown"};
    for (const IpAddr& ip : found->second) texts.push_back(ip.ToString());
    return texts;
  }
  void Advance(int seconds) { now_ = now_ + Duration::Seconds(seconds); }

  DnsCache cache_;
  Instant now_ = Instant::FromNanos(1);
};

TEST_F(DnsCacheTest, AsksAtOnceThenAnIntervalAfterEachAnswer) {
  cache_.Want({{"a", Duration::Seconds(5)}, {"b", Duration::Seconds(60)}});
  EXPECT_LE(cache_.next_due(), now_);
  EXPECT_EQ(cache_.Due(now_), (Names{"a", "b"}));
  EXPECT_EQ(cache_.Due(now_), Names{});
  EXPECT_TRUE(cache_.next_due().never());
  Advance(100);  // a slow resolver is not asked twice
  EXPECT_EQ(cache_.Due(now_), Names{});
  EXPECT_TRUE(Answer("a", {"10.0.0.1"}));
  EXPECT_EQ(cache_.next_due(), now_ + Duration::Seconds(5));
  Advance(4);
  EXPECT_EQ(cache_.Due(now_), Names{});
  Advance(1);
  EXPECT_EQ(cache_.Due(now_), Names{"a"});
}

TEST_F(DnsCacheTest, TheSameAddressesInAnotherOrderAreNoChange) {
  cache_.Want({{"a", Duration::Seconds(5)}});
  EXPECT_TRUE(Answer("a", {"10.0.0.2", "10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(Addresses("a"), (Names{"10.0.0.1", "10.0.0.2"}));
  EXPECT_FALSE(Answer("a", {"10.0.0.1", "10.0.0.2"}));
  EXPECT_TRUE(Answer("a", {"10.0.0.1"}));
}

TEST_F(DnsCacheTest, AFailureLeavesWhatWasKnown) {
  cache_.Want({{"a", Duration::Seconds(5)}});
  EXPECT_EQ(cache_.unanswered(), std::set<std::string>{"a"});
  EXPECT_TRUE(Answer("a", {}, "timed out"));  // there is nothing to wait for any more
  EXPECT_TRUE(cache_.unanswered().empty());
  EXPECT_EQ(Addresses("a"), Names{"unknown"});
  EXPECT_TRUE(Answer("a", {"10.0.0.1"}));
  EXPECT_FALSE(Answer("a", {}, "timed out"));
  EXPECT_EQ(Addresses("a"), Names{"10.0.0.1"});
  EXPECT_TRUE(Answer("a", {}));  // an answer: there are none
  EXPECT_EQ(Addresses("a"), Names{});
}

TEST_F(DnsCacheTest, WhatIsNotWantedIsForgotten) {
  cache_.Want({{"a", Duration::Seconds(5)}});
  cache_.Due(now_);
  cache_.Want({});
  EXPECT_FALSE(Answer("a", {"10.0.0.1"}));
  EXPECT_EQ(Addresses("a"), Names{"unknown"});
  cache_.Want({{"a", Duration::Seconds(5)}});
  EXPECT_EQ(cache_.Due(now_), Names{"a"});
}

}  // namespace
}  // namespace meltemi::agent
