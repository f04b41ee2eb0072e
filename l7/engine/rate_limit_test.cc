// Goal: exactly as many requests and connections as there are tokens, at every edge, by every way a
// limit can be given; what is said of it. Method: the engine by hand, virtual time.
#include <memory>
#include <string>
#include <vector>

#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

using config::RateLimitPlace;

constexpr config::Fraction kAlways{100, 100};

class LocalRateLimitTest : public EngineTest {
 protected:
  static config::TokenBucket Bucket(uint32_t id, uint32_t tokens) {
    return {.id = id, .rate = {.tokens_max = tokens, .fill_interval = Duration::Seconds(10)}};
  }
  // Both switched on; tokens 0: no bucket.
  static std::unique_ptr<config::LocalRateLimit> Limit(uint32_t id, uint32_t tokens) {
    auto limit = std::make_unique<config::LocalRateLimit>();
    limit->stat_prefix = "limit";
    if (tokens > 0) limit->bucket = Bucket(id, tokens);
    limit->enabled = limit->enforced = kAlways;
    return limit;
  }
  void Share(config::Snapshot* snapshot, const config::TokenBucket& bucket) {
    snapshot->buckets.push_back(bucket);
  }
  // The manager's.
  config::LocalRateLimit& Use(std::unique_ptr<config::LocalRateLimit> limit,
                              RateLimitPlace place = RateLimitPlace::kFirst) {
    config::LocalRateLimit& made = *limit;
    if (made.bucket.has_value()) Share(snapshot_.get(), *made.bucket);
    manager().rate_limit = std::move(limit);
    manager().rate_limit_place = place;
    return made;
  }
  using EngineTest::Use;
  // The whole response; the upstream answers with 200.
  std::string Ask(ConnId down, std::string_view extra = "") {
    Send(down, Get("/", extra));
    if (!connecting_.empty()) up_ = Connect();
    if (up_.valid() && !At(up_).written.empty()) {
      asked_ = Take(up_);
      Send(up_, Ok("1"));
    }
    return Take(down);
  }
  int Status(ConnId down, std::string_view extra = "") { return StatusOf(Ask(down, extra)); }
  std::string Counts() {
    std::string text;
    for (const char* name : {"enabled", "ok", "rate_limited", "enforced"}) {
      const double value = Sample(std::string("envoy_http_local_rate_limit_") + name);
      text += std::to_string(static_cast<int>(value)) + " ";
    }
    return text;
  }

  void TearDown() override {
    EngineTest::TearDown();
    engine_ = nullptr;
    EXPECT_TRUE(board_.empty());
  }

  cluster::Directory board_;
  ConnId up_;
  std::string asked_;  // what the upstream got last
};

TEST_F(LocalRateLimitTest, AsManyAsThereAreTokens) {
  Use(Limit(1, 2));
  const ConnId down = Accept();
  EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Status(down), 200);
  const std::string refused = Ask(down);
  EXPECT_EQ(StatusOf(refused), 429);
  EXPECT_EQ(BodyOf(refused), "local_rate_limited");
  EXPECT_EQ(HeaderOf(refused, "x-ratelimit-limit"), "(none)");
  EXPECT_EQ(LastRecord(), "429 RL local_rate_limited");
  EXPECT_EQ(Counts(), "3 2 1 1 ");
  Advance(Duration::Nanos(9'999'999'999));
  EXPECT_EQ(Status(down), 429);
  Advance(Duration::Nanos(1));
  EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Status(down), 429);
}

TEST_F(LocalRateLimitTest, NothingWithoutTheFilterOrSwitchedOff) {
  route().rate_limit = Limit(1, 1);  // for a filter that is not there
  const ConnId down = Accept();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Counts(), "-1 -1 -1 -1 ");
  manager().rate_limit_place = RateLimitPlace::kFirst;
  auto off = Limit(1, 1);
  off->enabled.reset();
  route().rate_limit = std::move(off);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Counts(), "-1 -1 -1 -1 ");
}

TEST_F(LocalRateLimitTest, NotEnforcedItGoesOnAndSaysSo) {
  config::LocalRateLimit& limit = Use(Limit(1, 1));
  limit.enforced.reset();
  limit.headers.request_add.push_back({.name = "x-limited", .value = "yes"});
  limit.headers.response_add.push_back({.name = "x-refused", .value = "yes"});
  const ConnId down = Accept();
  EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(HeaderOf(asked_, "x-limited"), "(none)");
  const std::string response = Ask(down);
  EXPECT_EQ(StatusOf(response), 200);
  EXPECT_EQ(HeaderOf(response, "x-refused"), "(none)");
  EXPECT_EQ(HeaderOf(asked_, "x-limited"), "yes");
  EXPECT_EQ(Counts(), "2 1 1 0 ");
}

TEST_F(LocalRateLimitTest, RefusalsHaveTheirStatusAndHeaders) {
  config::LocalRateLimit& limit = Use(Limit(1, 1));
  limit.status = 503;
  limit.headers.response_add.push_back({.name = "x-refused", .value = "yes"});
  const ConnId down = Accept();
  EXPECT_EQ(HeaderOf(Ask(down), "x-refused"), "(none)");
  const std::string refused = Ask(down);
  EXPECT_EQ(StatusOf(refused), 503);
  EXPECT_EQ(HeaderOf(refused, "x-refused"), "yes");
}

TEST_F(LocalRateLimitTest, CallsHearUnavailableOrExhausted) {
  for (const bool exhausted : {false, true}) {
    auto limit = Limit(1, 1);
    limit->resource_exhausted = exhausted;
    limit->headers.response_add.push_back({.name = "x-refused", .value = "yes"});
    if (!exhausted) Share(snapshot_.get(), *limit->bucket);
    manager().rate_limit = std::move(limit);
    manager().rate_limit_place = RateLimitPlace::kFirst;
    const ConnId down = Accept();
    if (!exhausted) Ask(down, "content-type: application/grpc\r\n");
    const std::string refused = Ask(down, "content-type: application/grpc\r\n");
    EXPECT_EQ(StatusOf(refused), 200);
    EXPECT_EQ(HeaderOf(refused, "grpc-status"), exhausted ? "8" : "14");
    EXPECT_EQ(HeaderOf(refused, "x-refused"), "yes");
  }
}

TEST_F(LocalRateLimitTest, HeadersSayWhatIsLeft) {
  Use(Limit(1, 2)).tells = true;
  const ConnId down = Accept();
  Advance(Duration::Millis(6'500));
  for (const char* left : {"1", "0", "0"}) {
    const std::string response = Ask(down);
    EXPECT_EQ(HeaderOf(response, "x-ratelimit-limit"), "2");
    EXPECT_EQ(HeaderOf(response, "x-ratelimit-remaining"), left);
    EXPECT_EQ(HeaderOf(response, "x-ratelimit-reset"), "4");
  }
  EXPECT_EQ(LastRecord(), "429 RL local_rate_limited");
}

TEST_F(LocalRateLimitTest, TheRoutesLimitThenTheHosts) {
  Use(Limit(1, 5));
  host().rate_limit = Limit(2, 1);
  Share(snapshot_.get(), Bucket(2, 1));
  const ConnId down = Accept();
  EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Status(down), 429);
  route().rate_limit = Limit(3, 2);
  auto next = MakeSnapshot(2, 1);
  next.swap(snapshot_);
  Use(Limit(1, 5));
  route().rate_limit = Limit(3, 2);
  Share(snapshot_.get(), Bucket(3, 2));
  Use(snapshot_.get());
  EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Status(down), 429);
}

TEST_F(LocalRateLimitTest, TokensOutliveAConfigurationThatSaysTheSame) {
  Use(Limit(1, 1));
  const ConnId down = Accept();
  EXPECT_EQ(Status(down), 200);
  const auto old = std::move(snapshot_);
  snapshot_ = MakeSnapshot(2, 1);
  Use(Limit(1, 1));
  Use(snapshot_.get());
  EXPECT_EQ(Status(down), 429);
  const auto older = std::move(snapshot_);
  snapshot_ = MakeSnapshot(3, 1);
  Use(Limit(2, 1));  // another bucket
  Use(snapshot_.get());
  EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Status(down), 429);
}

TEST_F(LocalRateLimitTest, WorkersShareTheirTokens) {
  options_.board = &board_;
  Use(Limit(1, 3));
  Engine other(options_, &pool_, &timers_, &prng_);
  other.UseSnapshot(snapshot_.get(), now_);
  const ConnId down = Accept();
  EXPECT_EQ(Status(down), 200);
  // At the other worker: a request whose connection goes away at once.
  for (int i = 0; i < 2; ++i) {
    const ConnId there = other.OnAccept({.listener = 0, .source = &workload_}, now_);
    Chain bytes;
    ASSERT_TRUE(AppendCopy(&pool_, Get(), &bytes));
    other.OnBytes(there, std::move(bytes), now_);
    other.OnClosed(there, CloseReason::kPeerReset, now_);
    for (Action& action : std::exchange(other.actions(), {})) {
      if (action.kind == Action::Kind::kConnect) {
        other.OnConnectFailed(action.conn, ConnectError::kRefused, now_);
      }
    }
  }
  EXPECT_EQ(Status(down), 429);
  EXPECT_EQ(Counts(), "2 1 1 1 ");
}

TEST_F(LocalRateLimitTest, EachConnectionMayHaveItsOwn) {
  auto limit = Limit(1, 2);
  limit->per_connection = true;
  manager().rate_limit = std::move(limit);
  manager().rate_limit_place = RateLimitPlace::kFirst;
  for (int i = 0; i < 2; ++i) {
    const ConnId down = Accept();
    EXPECT_EQ(Status(down), 200);
    EXPECT_EQ(Status(down), 200);
    EXPECT_EQ(Status(down), 429);
    Closed(down);
  }
}

TEST_F(LocalRateLimitTest, AConnectionHasSoManyBucketsThenAllAnew) {
  host().routes.clear();
  const size_t count = limits::kBucketsPerConnectionMax;
  for (size_t i = 0; i <= count; ++i) {
    config::Route route = ForwardRoute("", "/" + std::to_string(i) + "/");
    auto limit = Limit(static_cast<uint32_t>(i + 1), 1);
    limit->per_connection = true;
    route.rate_limit = std::move(limit);
    host().routes.push_back(std::move(route));
  }
  manager().rate_limit_place = RateLimitPlace::kFirst;
  const ConnId down = Accept();
  const auto ask = [&](size_t i) {
    Send(down, Get("/" + std::to_string(i) + "/"));
    if (!connecting_.empty()) up_ = Connect();
    if (!Take(up_).empty()) Send(up_, Ok("1"));
    return StatusOf(Take(down));
  };
  for (size_t i = 0; i < count; ++i) EXPECT_EQ(ask(i), 200);
  EXPECT_EQ(ask(0), 429);
  EXPECT_EQ(ask(count), 200);  // one too many
  EXPECT_EQ(ask(0), 200);
  EXPECT_EQ(ask(0), 429);
}

TEST_F(LocalRateLimitTest, DescriptorsHaveBucketsOfTheirOwn) {
  config::LocalRateLimit& limit = Use(Limit(1, 3));
  limit.tells = true;
  std::string text;
  config::AppendDescriptorEntry("user", "alice", &text);
  limit.descriptors[text] = 0;
  limit.buckets.push_back(Bucket(2, 1));
  Share(snapshot_.get(), limit.buckets[0]);
  config::RateLimitRule rule;
  rule.actions.push_back(
      {.kind = config::RateLimitAction::Kind::kRequestHeader, .key = "user", .header = "x-user"});
  forward().rate_limits.push_back(std::move(rule));
  const ConnId down = Accept();
  const std::string first = Ask(down, "x-user: alice\r\n");
  EXPECT_EQ(StatusOf(first), 200);
  EXPECT_EQ(HeaderOf(first, "x-ratelimit-limit"), "1");
  EXPECT_EQ(HeaderOf(first, "x-ratelimit-remaining"), "0");
  EXPECT_EQ(Status(down, "x-user: alice\r\n"), 429);  // and the common bucket keeps its token
  EXPECT_EQ(Status(down, "x-user: bob\r\n"), 200);
  EXPECT_EQ(Status(down), 200);
  const std::string last = Ask(down, "x-user: bob\r\n");
  EXPECT_EQ(StatusOf(last), 429);
  EXPECT_EQ(HeaderOf(last, "x-ratelimit-limit"), "3");
}

TEST_F(LocalRateLimitTest, TheCommonBucketMayBeForTheOthersOnly) {
  config::LocalRateLimit& limit = Use(Limit(1, 1));
  limit.always_default = false;
  std::string text;
  config::AppendDescriptorEntry("generic_key", "a", &text);
  limit.descriptors[text] = 0;
  limit.buckets.push_back(Bucket(2, 3));
  Share(snapshot_.get(), limit.buckets[0]);
  config::RateLimitRule rule;
  rule.actions.push_back({.key = "generic_key", .value = "a"});
  forward().rate_limits.push_back(std::move(rule));
  const ConnId down = Accept();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Status(down), 200);
  EXPECT_EQ(Status(down), 429);
}

TEST_F(LocalRateLimitTest, WhereItStandsAmongTheFilters) {
  // A fault answers everything: only a limit before it counts.
  config::Fault& fault = route().fault.emplace();
  fault.abort_fraction = kAlways;
  fault.abort_status = 418;
  const struct {
    RateLimitPlace place;
    const char* counts;
  } kRows[] = {{RateLimitPlace::kFirst, "1 1 0 0 "},
               {RateLimitPlace::kAfterCors, "2 2 0 0 "},
               {RateLimitPlace::kLast, "2 2 0 0 "}};
  Use(Limit(1, 9));
  const ConnId down = Accept();
  for (const auto& row : kRows) {
    manager().rate_limit_place = row.place;
    EXPECT_EQ(Status(down), 418);
    EXPECT_EQ(Counts(), row.counts);
  }
}

TEST_F(LocalRateLimitTest, AfterADelayToo) {
  Use(Limit(1, 1), RateLimitPlace::kLast);
  config::Fault& fault = route().fault.emplace();
  fault.delay_fraction = kAlways;
  fault.delay = Duration::Seconds(1);
  const ConnId down = Accept();
  for (const int status : {200, 429}) {
    Send(down, Get());
    EXPECT_EQ(Take(down), "");
    Advance(Duration::Millis(1001));
    if (!connecting_.empty()) up_ = Connect();
    if (status == 200) Send(up_, Ok("1"));
    EXPECT_EQ(StatusOf(Take(down)), status);
  }
  EXPECT_EQ(LastRecord(), "429 DI,RL local_rate_limited");
}

TEST_F(LocalRateLimitTest, ConnectionsTakeTokensToo) {
  for (const size_t listener : {0, 1}) {
    auto& limit = snapshot_->listeners[listener].rate_limit.emplace();
    limit.stat_prefix = "cx";
    limit.bucket = Bucket(7, 3);
  }
  Share(snapshot_.get(), Bucket(7, 3));
  EXPECT_FALSE(At(Accept(0)).dead());
  EXPECT_FALSE(At(Accept(1)).dead());
  EXPECT_FALSE(At(Accept(0)).dead());
  EXPECT_TRUE(At(Accept(0)).aborted);
  EXPECT_EQ(LastRecord(), "(none)");
  EXPECT_TRUE(At(Accept(1)).aborted);
  EXPECT_EQ(LastRecord(), "0 RL local_ratelimit_close_over_limit");
  EXPECT_EQ(Sample("envoy_local_rate_limit_rate_limited"), 2);
  Advance(Duration::Seconds(10));
  EXPECT_FALSE(At(Accept(0)).dead());
  EXPECT_TRUE(At(Accept(0)).aborted);
}

}  // namespace
}  // namespace meltemi::engine
