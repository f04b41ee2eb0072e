// The queues and the short times of a connection, each against a plain model of it.
#include <deque>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/send_queue.h"
#include "dataplane/tcp/short_time.h"
#include "dataplane/tcp/wait_queue.h"
#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi::tcp {
namespace {

// What lies at a place, n bytes of it.
std::string Read(SendPlace place, size_t n) {
  std::string text;
  for (; n > text.size(); place = {place.node->next, 0}) {
    const std::string_view slice = place.node->slice.view();
    if (place.offset >= slice.size()) {
      place.node = place.node->next;
      place.offset -= static_cast<uint32_t>(slice.size());
      text += Read(place, n);
      break;
    }
    text += slice.substr(place.offset, n - text.size());
  }
  return text;
}

// Goal: both sides of the split are what two strings would be, whatever is appended, sent and
// acknowledged. Method: random steps from each of many seeds, about where the split is kept.
TEST(SendQueue, IsTwoStringsWithASplitBetweenThem) {
  packet::HeapPacketPool pool;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    SendQueue queue;
    SendSplit split;
    std::string sent, unsent;
    for (int step = 0; step < 400; ++step) {
      const uint64_t what = prng.Below(4);
      if (what == 0 && unsent.size() < 2 * SendQueue::kNearBytes) {
        Chain text;
        for (uint64_t n = prng.Below(4); n > 0; --n) {
          std::string piece(1 + prng.Below(4000), 0);
          for (char& c : piece) c = static_cast<char>('a' + prng.Below(26));
          unsent += piece;
          ASSERT_TRUE(AppendCopy(&pool, piece, &text));
        }
        queue.Append(std::move(text), &split);
      } else if (what == 1) {
        const auto n = static_cast<uint32_t>(prng.Below(unsent.size() + 1));
        queue.MarkSent(n, &split);
        sent += unsent.substr(0, n);
        unsent.erase(0, n);
      } else if (what == 2) {
        const auto n = static_cast<uint32_t>(prng.Below(sent.size() + 1));
        if (n == sent.size() && prng.Chance(1, 2)) {
          queue.RemoveAllSent(&split);
        } else {
          queue.RemoveSent(n, &split);
        }
        sent.erase(0, n);
      } else if (what == 3 && prng.Chance(1, 4)) {  // made one piece, as when rooms are short
        const bool pieces = queue.UnsentInPieces(split);
        Chain taken = queue.TakeUnsent(split);
        ASSERT_EQ(taken.ToString(), unsent);
        ASSERT_EQ(taken.slice_count() > 1, pieces);
        ASSERT_EQ(queue.size(), sent.size());
        Chain one;
        ASSERT_TRUE(AppendCopy(&pool, unsent, &one));
        queue.Append(std::move(one), &split);
      }
      ASSERT_EQ(queue.sent(), sent.size());
      ASSERT_EQ(queue.unsent(), unsent.size());
      const auto from = static_cast<uint32_t>(prng.Below(sent.size() + 1));
      ASSERT_EQ(Read(queue.At(from), sent.size() - from), sent.substr(from));
      ASSERT_EQ(Read(queue.Unsent(split), unsent.size()), unsent);
      ASSERT_EQ(queue.LongerThan(0), queue.size() > 0);
    }
  }
  EXPECT_EQ(pool.outstanding(), 0);
}

struct Waiter {
  uint32_t place = 0;
  bool waits = false;
};
using Waiters = WaitQueue<Waiter, &Waiter::place>;

TEST(WaitQueue, FirstInFirstOutWhoeverLeaves) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    std::vector<Waiter> all(1000);
    Waiters queue;
    std::deque<Waiter*> model;
    for (int step = 0; step < 5000; ++step) {
      Waiter* w = &all[prng.Below(all.size())];
      if (prng.Chance(1, 10) && !model.empty()) w = model.front();
      if (!w->waits) {
        queue.Push(w);
        model.push_back(w);
      } else {
        queue.Remove(w);
        std::erase(model, w);
      }
      w->waits = !w->waits;
      ASSERT_EQ(queue.size(), model.size());
      ASSERT_EQ(queue.front(), model.empty() ? nullptr : model.front());
    }
  }
}

TEST(WaitQueue, GrowsWhenAllPlacesAreTaken) {
  std::vector<Waiter> all(Waiters::kPlacesMin + 1);
  Waiters queue;
  for (size_t i = 0; i + 1 < all.size(); ++i) queue.Push(&all[i]);
  EXPECT_EQ(queue.capacity(), Waiters::kPlacesMin);
  queue.Push(&all.back());
  EXPECT_EQ(queue.capacity(), 2 * Waiters::kPlacesMin);
  for (Waiter& w : all) {
    ASSERT_EQ(queue.front(), &w);
    queue.Remove(&w);
  }
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.front(), nullptr);
}

// Goal: gaps make it grow only where more than half wait. Method: the first stay, one comes and
// goes behind them.
TEST(WaitQueue, GapsAreClosedBeforeItGrows) {
  constexpr size_t kHalf = Waiters::kPlacesMin / 2;
  std::vector<Waiter> all(kHalf + 2);
  for (const size_t stay : {kHalf - 1, kHalf, kHalf + 1}) {
    Waiters queue;
    for (size_t i = 0; i < stay; ++i) queue.Push(&all[i]);
    for (int i = 0; i < 1000; ++i) {
      queue.Push(&all[stay]);
      queue.Remove(&all[stay]);
    }
    EXPECT_EQ(queue.capacity(), (stay <= kHalf ? 1 : 2) * Waiters::kPlacesMin) << stay;
    for (size_t i = 0; i < stay; ++i) {
      ASSERT_EQ(queue.front(), &all[i]);
      queue.Remove(&all[i]);
    }
  }
}

TEST(Deadline, IsDueWithTheWheelsTickAndNotBefore) {
  constexpr int64_t kTick = 1 << 16;
  const Instant at = Instant::FromNanos(10 * kTick + 1);
  const Deadline deadline = at;
  EXPECT_FALSE(deadline.due(at));
  EXPECT_FALSE(deadline.due(Instant::FromNanos(11 * kTick - 1)));
  EXPECT_TRUE(deadline.due(Instant::FromNanos(11 * kTick)));
  EXPECT_EQ(deadline.At(Instant()), Instant::FromNanos(11 * kTick));
  EXPECT_TRUE(Deadline().never());
  EXPECT_TRUE(Deadline(Instant::Never()).never());
  EXPECT_TRUE(Deadline().At(at).never());
  EXPECT_TRUE(deadline.before(Deadline()));
  EXPECT_FALSE(Deadline().before(deadline));
  EXPECT_FALSE(Deadline().before(Deadline()));
}

// Ticks begin again every 78 hours; the one that would be 0, "never", is the next.
TEST(Deadline, GoesRoundAndIsNeverNeverByChance) {
  constexpr int64_t kRound = int64_t{1} << 48;
  const Instant before = Instant::FromNanos(kRound - 5'000'000), round = Instant::FromNanos(kRound);
  const Deadline deadline = round;
  EXPECT_FALSE(deadline.never());
  EXPECT_FALSE(deadline.due(before));
  EXPECT_TRUE(Deadline(before).before(deadline));
  EXPECT_FALSE(deadline.before(before));
  EXPECT_TRUE(deadline.due(round + Duration::Micros(66)));
  EXPECT_EQ(deadline.At(before), Instant::FromNanos(kRound + (1 << 16)));
}

TEST(PastInstant, IsRightToAUnitForFiftyTwoDays) {
  const Instant then = Instant::FromNanos((int64_t{1} << 52) - 3'000'000);  // just before it wraps
  const PastInstant past = then;
  EXPECT_TRUE(PastInstant().never());
  EXPECT_FALSE(past.never());
  for (const Duration ago : {Duration(), Duration::Millis(40), Duration::Seconds(7200),
                             Duration::Seconds(52 * 86'000)}) {
    const Duration error = (then + ago - past) - ago;
    EXPECT_LE(error, Duration::Nanos(1 << 20));
    EXPECT_GE(error, Duration::Nanos(-(1 << 20)));
  }
  EXPECT_TRUE(past.Before(then));  // of the same unit: may be before
  EXPECT_TRUE(past.Before(then + Duration::Millis(2)));
  EXPECT_FALSE(past.Before(then - Duration::Millis(2)));
  EXPECT_TRUE(past.Before(then + Duration::Seconds(25 * 86'400)));  // round the wrap
}

// CUBIC's idle times are such differences: short ones count as 0 or as a unit, in proportion.
TEST(PastInstant, ManyShortTimesAddUpToWhatTheyAre) {
  Instant now = Instant::FromNanos(1'000'000'000);
  Duration sum;
  for (int i = 0; i < 10'000; ++i) {
    const PastInstant sent = now;
    now = now + Duration::Nanos(240'001);
    sum = sum + (now - sent);
    now = now + Duration::Nanos(700'013);
  }
  EXPECT_NEAR(sum.seconds(), 2.4, 0.024);
}

TEST(CurvePoint, IsRightToAUnitForTwentySixDaysOnEitherSide) {
  const Instant at = Instant::FromNanos((int64_t{1} << 52) - 3'000'000);  // just before it wraps
  CurvePoint point = at;
  EXPECT_TRUE(CurvePoint().never());
  EXPECT_FALSE(point.never());
  for (const int64_t seconds : {-24 * 86'400, -5, 0, 5, 24 * 86'400}) {
    const Duration past = Duration::Seconds(seconds);
    const Duration error = (at + past - point) - past;
    EXPECT_LE(error, Duration::Nanos(1 << 20)) << seconds;
    EXPECT_GE(error, Duration::Nanos(-(1 << 20))) << seconds;
  }
  point.Shift(Duration::Seconds(100));
  EXPECT_NEAR((at + Duration::Seconds(100) - point).seconds(), 0, 0.003);
  // What would be 0, "never", is the next unit.
  EXPECT_FALSE(CurvePoint(Instant::FromNanos(int64_t{1} << 52)).never());
  CurvePoint last = Instant::FromNanos((int64_t{1} << 52) - 1);
  last.Shift(Duration::Nanos(1 << 20));
  EXPECT_FALSE(last.never());
}

}  // namespace
}  // namespace meltemi::tcp
