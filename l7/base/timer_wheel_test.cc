#include "l7/base/timer_wheel.h"

#include <map>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi {
namespace {

constexpr Duration kTick = Duration::Nanos(1 << 16);
Instant At(Duration d) { return Instant() + d; }

TEST(TimerWheel, FiresNotEarlyAndAtMostOneTickLate) {
  TimerWheel wheel(Instant{});
  Timer timer(TimerOwner::kTcp, 3, 42);
  wheel.Schedule(&timer, At(Duration::Millis(10)));
  int fired = 0;
  wheel.Advance(At(Duration::Millis(10) - Duration::Nanos(1)), [&](Timer&) { ++fired; });
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(timer.pending());
  wheel.Advance(At(Duration::Millis(10)) + kTick, [&](Timer& t) {
    ++fired;
    EXPECT_EQ(t.subject, 42u);
    EXPECT_EQ(t.kind, 3);
    EXPECT_FALSE(t.pending());
  });
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(wheel.NextDeadline().never());
}

TEST(TimerWheel, RearmingMovesAndNeverCancels) {
  TimerWheel wheel(Instant{});
  Timer timer(TimerOwner::kL7, 0);
  wheel.Schedule(&timer, At(Duration::Millis(1)));
  wheel.Schedule(&timer, At(Duration::Seconds(5)));
  EXPECT_EQ(wheel.size(), 1u);
  int fired = 0;
  wheel.Advance(At(Duration::Seconds(4)), [&](Timer&) { ++fired; });
  EXPECT_EQ(fired, 0);
  wheel.Schedule(&timer, Instant::Never());
  EXPECT_FALSE(timer.pending());
  EXPECT_EQ(wheel.size(), 0u);
}

TEST(TimerWheel, ATimerMayRearmItselfWhenItFires) {
  TimerWheel wheel(Instant{});
  Timer timer(TimerOwner::kL7, 0);
  wheel.Schedule(&timer, At(kTick));
  int fired = 0;
  wheel.Advance(At(kTick * 1000), [&](Timer& t) {
    if (++fired < 5) wheel.Schedule(&t, t.deadline + kTick * 3);
  });
  EXPECT_EQ(fired, 5);
}

TEST(TimerWheel, BeyondTheHorizonStillFires) {
  TimerWheel wheel(Instant{});
  Timer timer(TimerOwner::kL7, 0);
  const Instant deadline = At(Duration::Seconds(400'000));  // 111 h > 78 h
  wheel.Schedule(&timer, deadline);
  Instant fired_at;
  for (Instant now; !wheel.NextDeadline().never() && fired_at == Instant();) {
    now = wheel.NextDeadline();
    wheel.Advance(now, [&](Timer&) { fired_at = now; });
  }
  EXPECT_GE(fired_at, deadline);
  EXPECT_LE(fired_at, deadline + kTick);
}

// Goal: the wheel equals a sorted multimap. Method: random schedule, cancel and advance over all
// levels with a fixed seed, comparing which timers fired after each step.
TEST(TimerWheel, AgreesWithASortedMap) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    Instant now = At(Duration::Seconds(static_cast<int64_t>(prng.Below(100'000))));
    TimerWheel wheel(now);
    constexpr int kCount = 50;
    std::vector<std::unique_ptr<Timer>> timers;
    std::vector<Instant> model(kCount, Instant::Never());
    for (int i = 0; i < kCount; ++i) {
      timers.push_back(std::make_unique<Timer>(TimerOwner::kTcp, 0, i));
    }
    for (int step = 0; step < 4000; ++step) {
      const auto i = prng.Below(kCount);
      const uint64_t what = prng.Below(10);
      if (what < 6) {
        const int64_t span = int64_t{1} << prng.Below(50);
        model[i] = now + Duration::Nanos(static_cast<int64_t>(prng.Below(span)));
        wheel.Schedule(timers[i].get(), model[i]);
      } else if (what < 7) {
        model[i] = Instant::Never();
        wheel.Cancel(timers[i].get());
      } else {
        now = now + Duration::Nanos(static_cast<int64_t>(prng.Below(int64_t{1} << prng.Below(48))));
        Instant last;
        wheel.Advance(now, [&](Timer& t) {
          EXPECT_LE(model[t.subject], now);
          EXPECT_GE(model[t.subject] + kTick, last);
          last = model[t.subject];
          model[t.subject] = Instant::Never();
        });
        Instant earliest = Instant::Never();
        for (const Instant& deadline : model) {
          EXPECT_GT(deadline + kTick, now) << "a timer is more than a tick late";
          earliest = std::min(earliest, deadline);
        }
        if (earliest.never()) {
          EXPECT_TRUE(wheel.NextDeadline().never());
        } else {
          EXPECT_LE(wheel.NextDeadline(), earliest + kTick);
        }
      }
    }
    for (auto& timer : timers) wheel.Cancel(timer.get());
  }
}

}  // namespace
}  // namespace meltemi
