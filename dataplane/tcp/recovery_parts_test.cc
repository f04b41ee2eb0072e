// The pure parts of loss recovery: ranges in flight, RACK, PRR, HyStart++, round trips.
#include <gtest/gtest.h>

#include <map>

#include "dataplane/tcp/hystart.h"
#include "dataplane/tcp/prr.h"
#include "dataplane/tcp/rack.h"
#include "dataplane/tcp/rto.h"
#include "dataplane/tcp/send_ranges.h"
#include "l7/base/prng.h"

namespace meltemi::tcp {
namespace {

Instant At(int64_t ms) { return Instant::FromNanos(1'000'000'000 + ms * 1'000'000); }
void Ignore(const SentRange&, SeqRange) {}

// The list is what a plain map of bytes says.
struct ByteModel {
  enum Fate : uint8_t { kFlying, kSacked, kLost };
  std::map<uint32_t, Fate> bytes;

  uint32_t Count(Fate fate) const {
    uint32_t n = 0;
    for (const auto& [seq, f] : bytes) n += f == fate ? 1 : 0;
    return n;
  }
};

void ExpectSame(const SendRanges& ranges, const ByteModel& model, uint32_t base, uint64_t seed) {
  ASSERT_EQ(ranges.sacked_bytes(), model.Count(ByteModel::kSacked)) << seed;
  ASSERT_EQ(ranges.lost_bytes(), model.Count(ByteModel::kLost)) << seed;
  ASSERT_EQ(ranges.end() - ranges.una(), model.bytes.size()) << seed;
  for (int i = 0; i < ranges.count(); ++i) {
    ASSERT_TRUE(SeqLess(ranges.begin(i), ranges[i].end)) << seed;
    for (uint32_t at = ranges.begin(i); at != ranges[i].end; ++at) {
      const ByteModel::Fate fate = model.bytes.at(at - base);
      ASSERT_EQ(ranges[i].sacked, fate == ByteModel::kSacked) << seed;
      ASSERT_EQ(ranges[i].lost, fate == ByteModel::kLost) << seed;
    }
  }
}

TEST(SendRanges, AgreesWithAByteMap) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    const auto base = static_cast<uint32_t>(prng.Next());  // wraps around for some seeds
    SendRanges ranges;
    ranges.Reset(base);
    ByteModel model;
    uint32_t una = 0, nxt = 0;
    for (int step = 0; step < 100; ++step) {
      const Instant now = At(static_cast<int64_t>(step / 3));
      switch (prng.Below(6)) {
        case 0:
        case 1: {
          const auto n = static_cast<uint32_t>(1 + prng.Below(40));
          for (uint32_t i = 0; i < n; ++i) model.bytes[nxt + i] = ByteModel::kFlying;
          nxt += n;
          ranges.Sent(base + nxt, now);
          break;
        }
        case 2: {
          if (nxt == una) break;
          const auto begin = una + static_cast<uint32_t>(prng.Below(nxt - una));
          const auto end = begin + 1 + static_cast<uint32_t>(prng.Below(nxt - begin));
          uint32_t fresh = 0, told = 0;
          for (uint32_t i = begin; i < end; ++i) {
            fresh += model.bytes[i] != ByteModel::kSacked ? 1 : 0;
            model.bytes[i] = ByteModel::kSacked;
          }
          ranges.Sack({base + begin, base + end},
                      [&](const SentRange&, SeqRange part) { told += part.size(); });
          ASSERT_EQ(told, fresh) << seed;
          break;
        }
        case 3: {
          if (ranges.count() == 0) break;
          const auto i = static_cast<int>(prng.Below(static_cast<uint64_t>(ranges.count())));
          for (uint32_t at = ranges.begin(i); at != ranges[i].end; ++at) {
            ByteModel::Fate& fate = model.bytes.at(at - base);
            if (fate == ByteModel::kFlying) fate = ByteModel::kLost;
          }
          ranges.MarkLost(i);
          break;
        }
        case 4: {
          SeqRange lost = ranges.NextLost();
          if (lost.size() == 0) break;
          lost.end = SeqMin(lost.end, lost.begin + 10);
          for (uint32_t at = lost.begin; at != lost.end; ++at) {
            model.bytes.at(at - base) = ByteModel::kFlying;
          }
          ranges.Resent(lost, now);
          break;
        }
        case 5: {
          una += static_cast<uint32_t>(prng.Below(nxt - una + 1));
          uint32_t fresh = 0, told = 0;
          while (!model.bytes.empty() && model.bytes.begin()->first < una) {
            fresh += model.bytes.begin()->second != ByteModel::kSacked ? 1 : 0;
            model.bytes.erase(model.bytes.begin());
          }
          ranges.Ack(base + una, [&](const SentRange&, SeqRange part) { told += part.size(); });
          ASSERT_EQ(told, fresh) << seed;
          break;
        }
      }
      ExpectSame(ranges, model, base, seed);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(SendRanges, OneTurnIsOneRange) {
  SendRanges ranges;
  ranges.Reset(100);
  ranges.Sent(200, At(0));
  ranges.Sent(300, At(0));
  ranges.Sent(400, At(1));
  ASSERT_EQ(ranges.count(), 2);
  EXPECT_EQ(ranges[0].end, 300u);
  EXPECT_EQ(ranges[1].end, 400u);
}

TEST(SendRanges, NewTextJoinsTheNewestRangeWhenTheyRunOut) {
  // n - 1, n, n + 1.
  SendRanges ranges;
  ranges.Reset(0);
  for (int i = 1; i <= SendRanges::kNewRangesMax + 1; ++i) {
    ranges.Sent(static_cast<uint32_t>(i), At(i));
    EXPECT_EQ(ranges.count(), std::min(i, SendRanges::kNewRangesMax));
    EXPECT_EQ(ranges[ranges.count() - 1].coarse, i > SendRanges::kNewRangesMax);
  }
  EXPECT_EQ(ranges.end(), static_cast<uint32_t>(SendRanges::kNewRangesMax + 1));
}

TEST(SendRanges, BlocksThatNeedARangeTooManyAreForgotten) {
  SendRanges ranges;
  ranges.Reset(0);
  ranges.Sent(10'000, At(0));
  // Each block cuts the rest in three: two ranges more.
  for (uint32_t i = 0; i < 200; ++i) ranges.Sack({i * 4 + 2, i * 4 + 4}, Ignore);
  EXPECT_LE(ranges.count(), SendRanges::kSackedRangesMax + 1);
  EXPECT_GE(ranges.count(), SendRanges::kSackedRangesMax - 1);
  // A block that needs none is taken all the same.
  const uint32_t before = ranges.sacked_bytes();
  ranges.Sack({0, 10'000}, Ignore);
  EXPECT_EQ(ranges.sacked_bytes(), 10'000u);
  EXPECT_LT(before, 10'000u);
  EXPECT_EQ(ranges.count(), 1);
}

TEST(SendRanges, RetransmissionsNeverOverflow) {
  SendRanges ranges;
  ranges.Reset(0);
  ranges.Sent(10'000, At(0));
  for (uint32_t i = 0; i < 60; ++i) ranges.Sack({i * 100 + 50, i * 100 + 60}, Ignore);
  ranges.MarkAllLost();
  int64_t ms = 1;
  while (ranges.lost_bytes() > 0) {
    SeqRange lost = ranges.NextLost();
    lost.end = SeqMin(lost.end, lost.begin + 1);
    ranges.Resent(lost, At(ms++));
    ASSERT_LE(ranges.count(), SendRanges::kRangesMax);
  }
  EXPECT_EQ(ranges.end(), 10'000u);
}

TEST(SendRanges, AResentPartMayCrossRanges) {
  // A FIN sent by itself goes again with the text before it: no round trip is timed by either.
  SendRanges ranges;
  ranges.Reset(0);
  ranges.Sent(100, At(0));
  ranges.Sent(101, At(1));
  ranges.Resent({50, 101}, At(2));
  EXPECT_EQ(ranges.begin(1), 50u);
  EXPECT_FALSE(ranges[0].resent);
  for (int i = 1; i < ranges.count(); ++i) EXPECT_TRUE(ranges[i].resent);
  EXPECT_EQ(ranges.end(), 101u);
}

TEST(SendRanges, ForgottenSacksAreInFlightAgain) {
  // RFC 2018 8.
  SendRanges ranges;
  ranges.Reset(0);
  ranges.Sent(1000, At(0));
  ranges.Sack({300, 500}, Ignore);
  ranges.ForgetSacks();
  EXPECT_EQ(ranges.sacked_bytes(), 0u);
  ranges.MarkAllLost();
  EXPECT_EQ(ranges.count(), 1);
  EXPECT_EQ(ranges.NextLost(), (SeqRange{0, 1000}));
}

TEST(Rack, WhatWasSentAWindowBeforeTheNewestDeliveredIsLost) {
  // RFC 8985 6.2 step 5.
  SendRanges ranges;
  ranges.Reset(0);
  ranges.Sent(100, At(0));
  ranges.Sent(200, At(1));
  ranges.Sent(300, At(2));
  Rack rack;
  rack.Reset(0);
  ranges.Sack({100, 200}, [&](const SentRange& r, SeqRange part) {
    rack.Delivered(r, part.end, At(21), Duration::Millis(20), false);
  });
  EXPECT_EQ(rack.rtt, Duration::Millis(20));
  Rack::Found found = rack.DetectLoss(&ranges, Duration::Millis(5), At(21));
  EXPECT_EQ(found.ranges_lost, 0u);
  EXPECT_EQ(found.wait, Duration::Millis(4));  // 0 + 20 + 5 - 21; what was sent later is not asked
  found = rack.DetectLoss(&ranges, Duration::Millis(5), At(25));
  EXPECT_EQ(found.ranges_lost, 1u);
  EXPECT_TRUE(found.wait.zero());
  EXPECT_EQ(ranges.NextLost(), (SeqRange{0, 100}));
}

TEST(Rack, OfOneInstantTheLowerNumberWasSentFirst) {
  // RFC 8985 6.2 step 2, RACK_sent_after.
  SendRanges ranges;
  ranges.Reset(0);
  ranges.Sent(300, At(0));
  Rack rack;
  rack.Reset(0);
  ranges.Sack({100, 200}, [&](const SentRange& r, SeqRange part) {
    rack.Delivered(r, part.end, At(20), Duration::Millis(20), false);
  });
  EXPECT_EQ(rack.DetectLoss(&ranges, Duration(), At(20)).ranges_lost, 1u);
  EXPECT_EQ(ranges.lost_bytes(), 100u);
}

TEST(Rack, AmbiguousDeliveryOfARetransmissionIsIgnored) {
  // RFC 8985 6.2 step 2: the echo is older, or it came back faster than any round trip.
  SentRange range;
  range.end = 100;
  range.resent = true;
  range.sent_at = At(10);
  Rack rack;
  rack.Reset(0);
  rack.Delivered(range, 100, At(40), Duration::Millis(20), true);
  EXPECT_FALSE(rack.valid);
  rack.Delivered(range, 100, At(29), Duration::Millis(20), false);
  EXPECT_FALSE(rack.valid);
  rack.Delivered(range, 100, At(30), Duration::Millis(20), false);
  EXPECT_TRUE(rack.valid);
}

TEST(RackWindow, WidensOnSpuriousRoundsAndPersistsForSixteenRecoveries) {
  // RFC 8985 6.2 step 4.
  RackWindow window;
  window.OnSpuriousRound();
  window.OnSpuriousRound();
  EXPECT_EQ(window.mult, 3);
  for (int i = 0; i < 15; ++i) window.OnRecoveryEnd();
  EXPECT_EQ(window.mult, 3);
  window.OnRecoveryEnd();
  EXPECT_EQ(window.mult, 1);
  for (int i = 0; i < 100; ++i) window.OnSpuriousRound();
  EXPECT_EQ(window.mult, kReorderingWindowsMax);
}

TEST(Prr, SendsInProportionWhileThePipeIsAboveSsthresh) {
  // RFC 9937 6.2, the example of its figure: RecoverFS 100 segments, ssthresh 50: every second ACK
  // lets one out.
  Prr prr;
  prr.Start(100'000);
  uint32_t pipe = 99'000;
  uint32_t sent = 0;
  for (int ack = 1; ack <= 40; ++ack) {
    pipe -= 1000;
    const uint32_t cwnd = prr.OnAck(1000, false, pipe, 50'000, 1000);
    while (pipe + 1000 <= cwnd) {
      pipe += 1000;
      prr.OnSent(1000);
      ++sent;
    }
    EXPECT_EQ(sent, std::max(1u, static_cast<uint32_t>(ack) / 2)) << ack;
  }
}

TEST(Prr, SlowStartsBackToSsthreshWhenLossesTookMore) {
  // RFC 9937 6.2: PRR-CRB sends what is delivered, SSRB a segment more for each ACK without loss.
  Prr prr;
  prr.Start(20'000);
  prr.OnSent(1000);
  prr.delivered = 1000;
  EXPECT_EQ(prr.OnAck(1000, false, 3000, 10'000, 1000), 4000u);
  prr.OnSent(1000);
  EXPECT_EQ(prr.OnAck(1000, true, 3000, 10'000, 1000), 5000u);
  prr.OnSent(2000);
  // Never above ssthresh.
  EXPECT_EQ(prr.OnAck(9000, true, 9500, 10'000, 1000), 10'000u);
}

TEST(Prr, TheFastRetransmitAlwaysLeaves) {
  Prr prr;
  prr.Start(10'000);
  EXPECT_EQ(prr.OnAck(0, false, 9000, 5000, 1000), 10'000u);
}

// `samples` ACKs of a round, which has ten of them; each took `ms`. True: slow start ended.
bool Round(HyStart* h, uint32_t* una, int samples, int64_t ms) {
  bool ended = false;
  const uint32_t end = *una + 100;
  for (int i = 0; i < samples; ++i) {
    *una += 10;
    ended |= h->OnAck(*una, end + 100, Duration::Millis(ms));
  }
  return ended;
}

TEST(HyStart, LongerRoundTripsSlowItThenEndIt) {
  // RFC 9406 4.2: 40 ms + 40/8 = 45 ms.
  HyStart h;
  h.Reset(100);
  uint32_t una = 0;
  Round(&h, &una, 10, 40);
  EXPECT_FALSE(Round(&h, &una, 10, 40));
  EXPECT_FALSE(Round(&h, &una, 10, 44));
  EXPECT_EQ(h.divisor(), 1u);
  EXPECT_FALSE(Round(&h, &una, 10, 60));
  EXPECT_EQ(h.divisor(), 4u);
  int rounds = 1;
  while (!Round(&h, &una, 10, 60) && rounds < 20) ++rounds;
  EXPECT_EQ(rounds + 1, HyStart::kCssRounds);
}

TEST(HyStart, APassingDelayResumesSlowStart) {
  HyStart h;
  h.Reset(100);
  uint32_t una = 0;
  Round(&h, &una, 10, 40);
  Round(&h, &una, 10, 40);
  Round(&h, &una, 10, 60);
  EXPECT_EQ(h.divisor(), 4u);
  Round(&h, &una, 10, 41);
  EXPECT_EQ(h.divisor(), 1u);
}

TEST(HyStart, SevenSamplesDecideNothing) {
  for (int samples : {7, 8, 9}) {
    HyStart h;
    h.Reset(100);
    uint32_t una = 0;
    Round(&h, &una, 10, 40);
    Round(&h, &una, 10, 40);
    Round(&h, &una, samples, 60);
    EXPECT_EQ(h.divisor(), samples < 8 ? 1u : 4u) << samples;
  }
}

TEST(Rto, SmallRoundTripsKeepTheirFractions) {
  // RFC 6298 (2.3): the mean of 20 and 27 us does not stick below.
  Rto rto;
  rto.Sample(Duration::Micros(20));
  for (int i = 0; i < 100; ++i) rto.Sample(Duration::Micros(27));
  EXPECT_GE(rto.srtt(), Duration::Micros(26));
  EXPECT_LE(rto.srtt(), Duration::Micros(27));
}

TEST(Rto, TheSmallestRoundTripIsForgottenAfterFiveMinutes) {
  Rto rto;
  uint16_t min_at = 0;
  const auto at = [](int64_t units) { return Instant::FromNanos(units << 30); };
  rto.NoteMin(10'000, at(1), &min_at);
  rto.NoteMin(30'000, at(kMinRttWindow), &min_at);
  EXPECT_EQ(rto.min_rtt(), Duration::Millis(10));
  rto.NoteMin(30'000, at(kMinRttWindow + 1), &min_at);
  EXPECT_EQ(rto.min_rtt(), Duration::Millis(30));
  rto.NoteMin(20'000, at(kMinRttWindow + 2), &min_at);
  EXPECT_EQ(rto.min_rtt(), Duration::Millis(20));
}

}  // namespace
}  // namespace meltemi::tcp
