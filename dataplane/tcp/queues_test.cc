// The queues, the short times and the packed name of a connection, each against a plain model of
// it.
#include <deque>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/packed_tuple.h"
#include "dataplane/tcp/ready_queue.h"
#include "dataplane/tcp/send_queue.h"
#include "dataplane/tcp/short_time.h"
#include "dataplane/tcp/wait_queue.h"
#include "gtest/gtest.h"
#include "l7/base/handle.h"
#include "l7/base/ip_addr.h"
#include "l7/base/prng.h"
#include "l7/base/slot_map.h"

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

uint32_t Size(const std::string& s) { return static_cast<uint32_t>(s.size()); }

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
        queue.Append(std::move(text), Size(sent), &split);
      } else if (what == 1) {
        const auto n = static_cast<uint32_t>(prng.Below(unsent.size() + 1));
        queue.MarkSent(n, Size(sent), &split);
        sent += unsent.substr(0, n);
        unsent.erase(0, n);
      } else if (what == 2) {
        const auto n = static_cast<uint32_t>(prng.Below(sent.size() + 1));
        if (n == sent.size() && prng.Chance(1, 2)) {
          queue.RemoveAllSent(n, &split);
        } else {
          queue.RemoveSent(n, Size(sent), &split);
        }
        sent.erase(0, n);
      } else if (what == 3 && prng.Chance(1, 4)) {  // made one piece, as when rooms are short
        const bool pieces = queue.UnsentInPieces(Size(sent), split);
        Chain taken = queue.TakeUnsent(Size(sent), split);
        ASSERT_EQ(taken.ToString(), unsent);
        ASSERT_EQ(taken.slice_count() > 1, pieces);
        ASSERT_EQ(queue.CountBytes(), sent.size());
        Chain one;
        ASSERT_TRUE(AppendCopy(&pool, unsent, &one));
        queue.Append(std::move(one), Size(sent), &split);
      }
      ASSERT_EQ(queue.CountBytes(), sent.size() + unsent.size());
      ASSERT_EQ(queue.unsent(), unsent.size());
      const auto from = static_cast<uint32_t>(prng.Below(sent.size() + 1));
      ASSERT_EQ(Read(queue.At(from), sent.size() - from), sent.substr(from));
      ASSERT_EQ(Read(queue.Unsent(Size(sent), split), unsent.size()), unsent);
      ASSERT_EQ(queue.LongerThan(0), !sent.empty() || !unsent.empty());
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

using Names = SlotMap<int, TcpId>;
using Ready = ReadyQueue<int, TcpId>;

// Goal: first in, first out, whoever ends before; a slot that is used again is not taken for who
// had it. Method: random steps, against a list.
TEST(ReadyQueue, FirstInFirstOutWhoeverEnds) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    Names all(1000);
    Ready queue(&all);
    std::vector<TcpId> idle;
    std::deque<TcpId> model;
    for (int step = 0; step < 5000; ++step) {
      const uint64_t what = prng.Below(5);
      if (what == 0 && all.size() < all.capacity()) {
        idle.push_back(all.Emplace(0));
      } else if (what <= 2 && !idle.empty()) {
        queue.Push(idle.back());
        model.push_back(idle.back());
        idle.pop_back();
      } else if (what == 3 && !model.empty()) {
        const auto who = model.begin() + static_cast<int64_t>(prng.Below(model.size()));
        queue.Leave();
        all.Erase(*who);
        model.erase(who);
      } else if (what == 4 && !model.empty()) {
        ASSERT_EQ(queue.Pop(), all.Find(model.front()));
        idle.push_back(model.front());
        model.pop_front();
      }
      ASSERT_EQ(queue.size(), model.size());
      ASSERT_EQ(queue.empty(), model.empty());
    }
  }
}

// Goal: it grows when all its places are taken, by more than half of them who are still there.
TEST(ReadyQueue, NamesOfThoseThatEndedGoBeforeItGrows) {
  constexpr size_t kHalf = Ready::kPlacesMin / 2;
  for (const size_t stay : {kHalf - 1, kHalf, kHalf + 1}) {
    Names all(1000);
    Ready queue(&all);
    std::vector<TcpId> staying;
    for (size_t i = 0; i < stay; ++i) queue.Push(staying.emplace_back(all.Emplace(0)));
    for (int i = 0; i < 1000; ++i) {
      const TcpId passing = all.Emplace(0);
      queue.Push(passing);
      queue.Leave();
      all.Erase(passing);
    }
    EXPECT_EQ(queue.capacity(), (stay <= kHalf ? 1 : 2) * Ready::kPlacesMin) << stay;
    for (const TcpId id : staying) ASSERT_EQ(queue.Pop(), all.Find(id));
    EXPECT_TRUE(queue.empty());
  }
}

// Goal: what went in comes out, and nothing else is it. A mapped address beside an IPv6 one is kept
// like the latter.
TEST(PackedTuple, IsTheTupleAndNoOther) {
  const auto address = [](const char* text) { return *IpAddr::Parse(text); };
  const std::vector<IpAddr> ips = {address("10.0.0.1"),     address("1.0.0.10"),
                                   address("fd00::1"),      address("fd00::2"),
                                   address("::ffff:0:0:1"), address("::"),
                                   address("::10.0.0.1"),   address("255.255.255.255")};
  std::vector<FourTuple> tuples;
  for (const IpAddr& local : ips) {
    for (const IpAddr& remote : ips) {
      for (const uint16_t port : {80, 81}) {
        tuples.push_back({{local, port}, {remote, 443}});
        tuples.push_back({{local, 443}, {remote, port}});
      }
    }
  }
  for (const FourTuple& t : tuples) {
    AddressPair pair;
    PackedTuple packed;
    const bool apart = !PackedTuple::Fits(t);
    EXPECT_EQ(apart, !t.local.ip.v4() || !t.remote.ip.v4());
    packed.Set(t, apart ? &pair : nullptr);
    ASSERT_EQ(packed.Get(apart), t);
    ASSERT_EQ(packed.local(apart), t.local.ip);
    ASSERT_EQ(packed.remote(apart), t.remote.ip);
    for (const FourTuple& other : tuples) ASSERT_EQ(packed.Is(other, apart), other == t);
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
