#include "dataplane/agent/identity_state.h"

#include <gtest/gtest.h>

#include "dataplane/tls/workload_key/test_ca.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

constexpr int64_t kStart = 1'700'000'000;
constexpr int64_t kDay = 24 * 3600;
const std::string kReviews = "spiffe://cluster.local/ns/shop/sa/reviews";
const std::string kCart = "spiffe://cluster.local/ns/shop/sa/cart";

class IdentityStateTest : public ::testing::Test {
 protected:
  // `wall_jump`: what the wall clock is ahead of the steady one since the start.
  IdentityNow Now() const {
    return {Instant::FromNanos(0) + Duration::Seconds(seconds_), {kStart + seconds_ + wall_jump_}};
  }
  std::vector<IdentityState::Request> Poll() { return state_.Poll(Now(), std::nullopt); }
  std::vector<std::string> Good(const IdentityState::Request& request, int64_t life = kDay) {
    const int64_t wall = Now().wall.seconds;
    return ca_.Answer(request.csr_pem, {{request.identity}, {wall - 120}, {wall + life}});
  }
  // Asks and answers until nothing is due.
  int Serve() {
    int answers = 0;
    for (auto requests = Poll(); !requests.empty(); requests = Poll()) {
      for (const auto& request : requests) {
        EXPECT_TRUE(state_.OnAnswer(request.id, Good(request), Now()).ok());
        ++answers;
      }
    }
    return answers;
  }
  const IdentityStatus Of(const std::string& identity) {
    for (const IdentityStatus& status : state_.Status()) {
      if (status.identity == identity) return status;
    }
    return {};
  }

  tls::TestCa ca_;
  int64_t seconds_ = 1000;
  int64_t wall_jump_ = 0;
  IdentityState state_{{}, 1};
};

TEST_F(IdentityStateTest, IdentitiesThatAreNotHereAreRefused) {
  state_.SetLocal({kReviews});
  Serve();
  EXPECT_TRUE(state_.Get(kReviews, Now()).ok());
  EXPECT_EQ(state_.Get(kCart, Now()).status().code(), absl::StatusCode::kPermissionDenied);
  state_.SetLocal({kCart});
  EXPECT_EQ(state_.Get(kReviews, Now()).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(IdentityStateTest, OneRequestForAllWhoWait) {
  state_.SetLocal({kReviews});
  const auto requests = Poll();
  ASSERT_EQ(requests.size(), 1u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(state_.Get(kReviews, Now()).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(Poll().empty());
  }
  ASSERT_TRUE(state_.OnAnswer(requests[0].id, Good(requests[0]), Now()).ok());
  const auto credential = state_.Get(kReviews, Now());
  ASSERT_TRUE(credential.ok());
  EXPECT_EQ((*credential)->identity, kReviews);
  EXPECT_EQ(state_.trusted_pem(), ca_.root_pem());
  // The answer to a request that was answered is nobody's.
  EXPECT_EQ(state_.OnAnswer(requests[0].id, Good(requests[0]), Now()).code(),
            absl::StatusCode::kNotFound);
}

TEST_F(IdentityStateTest, AsksAtHalfOfTheLifeNotAllAtOnce) {
  std::set<std::string> many;
  for (int i = 0; i < 100; ++i) many.insert(Cat("spiffe://d/ns/n/sa/s", i));
  state_.SetLocal(many);
  EXPECT_EQ(Serve(), 100);
  std::set<int64_t> refreshes;
  for (const IdentityStatus& status : state_.Status()) {
    const int64_t after = status.refresh.seconds - Now().wall.seconds;
    EXPECT_GE(after, kDay * 490 / 1000);
    EXPECT_LE(after, kDay * 510 / 1000);
    refreshes.insert(after);
  }
  EXPECT_GT(refreshes.size(), 10u);
  seconds_ += kDay * 489 / 1000;
  EXPECT_EQ(Serve(), 0);
  seconds_ += kDay * 22 / 1000;
  EXPECT_EQ(Serve(), 100);
}

TEST_F(IdentityStateTest, AClockThatJumpsRenewsAtOnce) {
  state_.SetLocal({kReviews});
  Serve();
  const std::string first = Of(kReviews).serial;
  wall_jump_ = kDay * 6 / 10;
  EXPECT_EQ(Serve(), 1);
  EXPECT_NE(Of(kReviews).serial, first);
}

TEST_F(IdentityStateTest, TheOldOneServesWhileTheCaIsAway) {
  state_.SetLocal({kReviews});
  Serve();
  const std::string first = Of(kReviews).serial;
  const int64_t begin = seconds_;
  int attempts = 0;
  for (seconds_ += kDay / 2 + kDay / 50; seconds_ < begin + kDay; seconds_ += 10) {
    for (const auto& request : Poll()) {
      ++attempts;
      EXPECT_FALSE(state_.OnAnswer(request.id, absl::UnavailableError("refused"), Now()).ok());
    }
    ASSERT_TRUE(state_.Get(kReviews, Now()).ok()) << seconds_;
    EXPECT_EQ(Of(kReviews).serial, first);
  }
  EXPECT_GT(attempts, 40'000 / 70);  // it went on trying, once in 30 to 60 s
  EXPECT_LT(attempts, 40'000 / 25);
  EXPECT_EQ(Of(kReviews).last_failure, "refused");
  seconds_ = begin + kDay;
  const absl::Status gone = state_.Get(kReviews, Now()).status();
  EXPECT_EQ(gone.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(gone.message(), kReviews + " has expired: refused");
  seconds_ += 120;
  EXPECT_EQ(Serve(), 1);
  EXPECT_TRUE(state_.Get(kReviews, Now()).ok());
  EXPECT_EQ(Of(kReviews).last_failure, "");
  EXPECT_EQ(Of(kReviews).failures, 0u);
}

TEST_F(IdentityStateTest, WaitsLongerWithEachFailure) {
  state_.SetLocal({kReviews});
  int64_t waits[10];
  auto requests = Poll();
  for (int64_t& wait : waits) {
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_FALSE(state_.OnAnswer(requests[0].id, absl::UnavailableError("x"), Now()).ok());
    const int64_t from = seconds_;
    for (requests.clear(); requests.empty(); requests = Poll()) ++seconds_;
    wait = seconds_ - from;
  }
  EXPECT_EQ(waits[0], 1);
  for (int i = 1; i < 10; ++i) {
    const int64_t full = std::min<int64_t>(int64_t{1} << i, 60);
    EXPECT_GE(waits[i], full / 2) << i;
    EXPECT_LE(waits[i], full) << i;
  }
}

TEST_F(IdentityStateTest, AnswersThatDoNotFitChangeNothing) {
  state_.SetLocal({kReviews});
  Serve();
  const std::string first = Of(kReviews).serial;
  seconds_ += kDay * 6 / 10;
  const int64_t wall = Now().wall.seconds;
  const auto try_with = [&](const auto& make) {
    auto requests = Poll();
    while (requests.empty()) {
      ++seconds_;
      requests = Poll();
    }
    const absl::Status taken = state_.OnAnswer(requests[0].id, make(requests[0]), Now());
    EXPECT_FALSE(taken.ok());
    EXPECT_EQ(Of(kReviews).last_failure, std::string(taken.message()));
    EXPECT_EQ((*state_.Get(kReviews, Now()))->chain.serial, first);
  };
  using Answer = std::vector<std::string>;
  using Request = IdentityState::Request;
  try_with([&](const Request& r) -> Answer {  // for another
    return ca_.Answer(r.csr_pem, {{kCart}, {wall - 120}, {wall + kDay}});
  });
  try_with([&](const Request& r) -> Answer {  // expired
    return ca_.Answer(r.csr_pem, {{kReviews}, {wall - 120}, {wall - 60}});
  });
  try_with([&](const Request&) -> Answer {  // of another key
    const auto key = tls::WorkloadKey::Make();
    return ca_.Answer(*key->SigningRequest(kReviews), {{kReviews}, {wall - 120}, {wall + kDay}});
  });
  try_with([&](const Request&) -> Answer { return {}; });
  try_with([&](const Request&) -> Answer { return {"garbage", "garbage"}; });
  EXPECT_EQ(Of(kReviews).failures, 5u);
}

TEST_F(IdentityStateTest, ARequestThatIsLostIsGivenUp) {
  state_.SetLocal({kReviews});
  const auto lost = Poll();
  ASSERT_EQ(lost.size(), 1u);
  seconds_ += 29;
  EXPECT_TRUE(Poll().empty());
  seconds_ += 1;
  EXPECT_TRUE(Poll().empty());  // given up, waiting to ask again
  EXPECT_EQ(Of(kReviews).last_failure, "the CA did not answer");
  seconds_ += 1;
  EXPECT_EQ(Poll().size(), 1u);
  EXPECT_EQ(state_.OnAnswer(lost[0].id, Good(lost[0]), Now()).code(), absl::StatusCode::kNotFound);
}

TEST_F(IdentityStateTest, OneThatGoesWhileAskingIsForgotten) {
  state_.SetLocal({kReviews});
  const auto requests = Poll();
  state_.SetLocal({});
  EXPECT_EQ(state_.OnAnswer(requests[0].id, Good(requests[0]), Now()).code(),
            absl::StatusCode::kNotFound);
  state_.SetLocal({kReviews});
  EXPECT_EQ(Serve(), 1);
}

TEST_F(IdentityStateTest, RequestsInFlightAndIdentitiesAreBounded) {
  std::set<std::string> many;
  for (size_t i = 0; i < limits::kLocalIdentitiesMax + 1; ++i) {
    many.insert(Cat("spiffe://d/ns/n/sa/s", i));
  }
  state_.SetLocal(many);
  EXPECT_EQ(state_.Status().size(), limits::kLocalIdentitiesMax);
  EXPECT_EQ(state_.left_out(), 1u);
  const auto requests = Poll();
  EXPECT_EQ(requests.size(), static_cast<size_t>(limits::kIdentityRequestsInFlight));
  EXPECT_TRUE(Poll().empty());
  EXPECT_FALSE(state_.OnAnswer(requests[0].id, absl::UnavailableError("x"), Now()).ok());
  EXPECT_EQ(Poll().size(), 1u);
}

TEST_F(IdentityStateTest, TheNodeAloneWhileNothingElseProvesIt) {
  state_.SetLocal({kReviews, kCart});
  const auto requests = state_.Poll(Now(), kCart);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].identity, kCart);
}

}  // namespace
}  // namespace meltemi::agent
