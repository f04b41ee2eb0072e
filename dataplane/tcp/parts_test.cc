// The pure parts: options, segment checksums, reassembly, RTO, congestion, hash.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/congestion.h"
#include "dataplane/tcp/isn.h"
#include "dataplane/tcp/options.h"
#include "dataplane/tcp/reassembly.h"
#include "dataplane/tcp/rto.h"
#include "dataplane/tcp/segment.h"
#include "l7/base/limits.h"
#include "l7/base/prng.h"

namespace meltemi::tcp {
namespace {

TEST(SipHash, MatchesThePublishedVector) {
  // The reference vector of the paper's appendix A: key 00..0f, input 00..0e.
  std::array<uint8_t, 16> key;
  std::array<uint8_t, 15> input;
  for (uint8_t i = 0; i < 16; ++i) key[i] = i;
  for (uint8_t i = 0; i < 15; ++i) input[i] = i;
  EXPECT_EQ(SipHash24(key)(input.data(), input.size()), 0xa129ca6149be45e5u);
}

TEST(Isn, GrowsWithTimeAndDiffersByTuple) {
  // RFC 6528 3.
  const SipHash24 hash(std::array<uint8_t, 16>{1, 2, 3});
  FourTuple a{{IpAddr::V4(1), 80}, {IpAddr::V4(2), 1000}};
  FourTuple b = a;
  b.remote.port = 1001;
  const Instant t = Instant::FromNanos(5'000'000'000);
  EXPECT_EQ(SecretsOf(hash, a, t + Duration::Millis(4)).isn - SecretsOf(hash, a, t).isn, 1000u);
  EXPECT_NE(SecretsOf(hash, a, t).isn, SecretsOf(hash, b, t).isn);
}

TEST(TcpOptions, EmitThenParseIsIdentity) {
  Options o;
  o.mss = 1460;
  o.window_scale = 7;
  o.sack_permitted = true;
  o.timestamps = Timestamps{1, 0xffff'ffff};
  uint8_t bytes[kOptionBytesMax];
  const int n = EmitOptions(o, bytes);
  EXPECT_EQ(n % 4, 0);
  Options back;
  EXPECT_TRUE(ParseOptions({bytes, static_cast<size_t>(n)}, &back));
  EXPECT_EQ(back.mss, o.mss);
  EXPECT_EQ(back.window_scale, o.window_scale);
  EXPECT_EQ(back.timestamps, o.timestamps);
  EXPECT_TRUE(back.sack_permitted);
}

TEST(TcpOptions, SackBlocksThatDoNotFitAreLeftOut) {
  for (bool timestamps : {false, true}) {
    Options o;
    if (timestamps) o.timestamps = Timestamps{1, 2};
    o.sack_count = 4;
    for (uint32_t i = 0; i < 4; ++i) o.sack[i] = {i * 10, i * 10 + 5};
    uint8_t bytes[kOptionBytesMax];
    const int n = EmitOptions(o, bytes);
    EXPECT_LE(n, kOptionBytesMax);
    Options back;
    EXPECT_TRUE(ParseOptions({bytes, static_cast<size_t>(n)}, &back));
    EXPECT_EQ(back.sack_count, timestamps ? 3 : 4);
    EXPECT_EQ(back.sack[0], o.sack[0]);
  }
}

TEST(TcpOptions, MalformedOnesEndParsing) {
  const struct {
    const char* name;
    std::vector<uint8_t> bytes;
    bool ok;
  } rows[] = {
      {"empty", {}, true},
      {"end", {0, 2, 2}, true},
      {"nops", {1, 1, 1, 1}, true},
      {"unknown kind is skipped", {99, 4, 0, 0, 1}, true},
      {"length 0", {2, 0}, false},
      {"length 1", {2, 1}, false},
      {"no length", {1, 2}, false},
      {"past the end", {2, 4, 5}, false},
      {"mss of 3", {2, 3, 5}, false},
      {"scale of 4", {3, 4, 1, 1}, false},
      {"sack of 9", {5, 9, 0, 0, 0, 0, 0, 0, 0}, false},
      {"timestamps of 9", {8, 9, 0, 0, 0, 0, 0, 0, 0}, false},
  };
  for (const auto& row : rows) {
    Options o;
    EXPECT_EQ(ParseOptions(row.bytes, &o), row.ok) << row.name;
  }
}

TEST(TcpOptions, WindowScaleIsAtMost14) {
  // RFC 7323 2.3.
  Options o;
  const uint8_t bytes[] = {3, 3, 200};
  EXPECT_TRUE(ParseOptions(bytes, &o));
  EXPECT_EQ(o.window_scale, 14);
}

TEST(TcpChecksum, CoversChainsWithOddSegments) {
  packet::HeapPacketPool pool;
  packet::Packet* p = pool.Alloc();
  const FourTuple tuple{{IpAddr::V4(0x0a000001), 80}, {IpAddr::V4(0x0a000002), 90}};
  Chain text;
  ASSERT_TRUE(AppendCopy(&pool, "abc", &text));
  ASSERT_TRUE(AppendCopy(&pool, "defgh", &text));
  uint8_t* header = packet::Append(p, 20);
  WriteHeader({.tuple = tuple, .seq = 1, .flags = kAck}, 0, 28, header);
  ASSERT_TRUE(pool.AppendBytes(p, text, 0, 8, 0));
  EXPECT_EQ(p->nb_segs, 3);
  const auto sum = static_cast<uint16_t>(~PacketSum(p));
  header[16] = static_cast<uint8_t>(sum >> 8);
  header[17] = static_cast<uint8_t>(sum);
  EXPECT_TRUE(ChecksumOk(p, tuple.local.ip, tuple.remote.ip));
  header[4] ^= 1;
  EXPECT_FALSE(ChecksumOk(p, tuple.local.ip, tuple.remote.ip));
  pool.Free(p);
}

// Random overlapping pieces of a known text, in any order, always come out as that text.
TEST(Reassembly, AnyOrderAndOverlapGivesTheText) {
  packet::HeapPacketPool pool;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Prng prng(seed);
    const auto base = static_cast<uint32_t>(prng.Next());  // wraps around for some seeds
    constexpr uint32_t kTotal = 400;
    Reassembly r;
    uint32_t next = base;
    Chain out;
    while (next != base + kTotal) {
      const auto at = static_cast<uint32_t>(prng.Below(kTotal));
      const auto n = static_cast<uint32_t>(1 + prng.Below(std::min<uint32_t>(60, kTotal - at)));
      std::string piece;
      for (uint32_t i = 0; i < n; ++i) piece += static_cast<char>((at + i) * 7);
      uint32_t seq = base + at;
      if (SeqLessEq(seq + n, next)) continue;
      Chain bytes;
      ASSERT_TRUE(AppendCopy(&pool, piece, &bytes));
      if (SeqLessEq(seq, next)) {
        bytes.RemovePrefix(next - seq);
        next += static_cast<uint32_t>(bytes.size());
        out.Append(std::move(bytes));
        r.TakeInOrder(&next, &out);
      } else {
        r.Add(seq, std::move(bytes));
      }
      ASSERT_EQ(out.size(), next - base);
    }
    const std::string text = out.ToString();
    for (uint32_t i = 0; i < kTotal; ++i) ASSERT_EQ(text[i], static_cast<char>(i * 7)) << seed;
    EXPECT_TRUE(r.empty());
  }
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(Reassembly, TextAcrossAGapBecomesOneRange) {
  // Joins the ranges on both sides of the gap and goes on behind the second: what it holds of that
  // one is not kept twice.
  packet::HeapPacketPool pool;
  Reassembly r;
  const auto add = [&](uint32_t seq, size_t n) {
    Chain bytes;
    ASSERT_TRUE(AppendCopy(&pool, std::string(n, 'x'), &bytes));
    EXPECT_EQ(r.Add(seq, std::move(bytes)), Reassembly::Result::kKept);
  };
  add(100, 20);
  add(140, 20);
  add(100, 70);
  EXPECT_EQ(r.bytes(), 70u);
  std::array<SeqRange, 4> blocks;
  ASSERT_EQ(r.TakeSackBlocks(blocks), 1);
  EXPECT_EQ(blocks[0], (SeqRange{100, 170}));
  r.Clear();
}

TEST(Reassembly, OfSeveralDuplicatesTheFirstIsToldOfWithWhatTouchesIt) {
  Reassembly r;
  std::array<SeqRange, 4> blocks;
  r.NoteDuplicate({100, 200});
  r.NoteDuplicate({300, 400});
  r.NoteDuplicate({200, 250});
  r.NoteDuplicate({50, 100});
  EXPECT_FALSE(r.needless());
  ASSERT_EQ(r.TakeSackBlocks(blocks), 1);
  EXPECT_EQ(blocks[0], (SeqRange{50, 250}));
  EXPECT_TRUE(r.needless());
  EXPECT_EQ(r.TakeSackBlocks(blocks), 0);
}

// RFC 2018 4: each block is told of in as many ACKs as an option has blocks.
TEST(Reassembly, TellsOfTheBlocksChangedLast) {
  packet::HeapPacketPool pool;
  Reassembly r;
  std::array<SeqRange, 4> blocks;
  const auto add = [&](uint32_t seq) {
    Chain bytes;
    ASSERT_TRUE(AppendCopy(&pool, "0123456789", &bytes));
    r.Add(seq, std::move(bytes));
  };
  const auto told = [&] {
    std::string begins;
    const int n = r.TakeSackBlocks(blocks);
    for (int i = 0; i < n; ++i) begins += std::to_string(blocks[i].begin) + " ";
    return begins;
  };
  for (const uint32_t seq : {300, 100, 500, 700, 900, 200}) add(seq);
  EXPECT_EQ(told(), "200 900 700 500 ");
  add(510);  // it is one with what was there
  EXPECT_EQ(told(), "500 200 900 700 ");
  r.NoteDuplicate({100, 110});
  EXPECT_EQ(told(), "100 100 500 200 ");
  uint32_t rcv_nxt = 200;
  Chain out;
  r.TakeInOrder(&rcv_nxt, &out);  // 100 and 200 are in order now
  EXPECT_EQ(told(), "500 900 300 700 ");
  out.Clear();
  r.Clear();
  EXPECT_EQ(told(), "");
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(Reassembly, RangesAreBounded) {
  packet::HeapPacketPool pool;
  Reassembly r;
  for (uint32_t i = 0; i <= Reassembly::kRangesMax; ++i) {
    Chain bytes;
    ASSERT_TRUE(AppendCopy(&pool, "x", &bytes));
    const Reassembly::Result result = r.Add(10 + i * 2, std::move(bytes));
    EXPECT_EQ(result,
              i < Reassembly::kRangesMax ? Reassembly::Result::kKept : Reassembly::Result::kFull);
  }
  r.Clear();
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(Reassembly, SlicesAreBounded) {
  packet::HeapPacketPool pool;
  Reassembly r;
  for (int i = 0; i <= limits::kTcpOutOfOrderSegments; ++i) {
    Chain bytes;
    ASSERT_TRUE(AppendCopy(&pool, "x", &bytes));
    EXPECT_EQ(r.Add(10 + i, std::move(bytes)), i < limits::kTcpOutOfOrderSegments
                                                   ? Reassembly::Result::kKept
                                                   : Reassembly::Result::kFull);
  }
  r.Clear();
}

TEST(Rto, FollowsRfc6298) {
  Rto rto;
  const Duration initial = Duration::Seconds(1), minimum = Duration::Millis(200);
  EXPECT_EQ(rto.Timeout(initial, minimum, 0), initial);
  rto.Sample(Duration::Millis(100));  // srtt 100, rttvar 50
  EXPECT_EQ(rto.Timeout(initial, minimum, 0), Duration::Millis(300));
  EXPECT_EQ(rto.Timeout(initial, minimum, 2), Duration::Millis(1200));
  EXPECT_EQ(rto.Timeout(initial, minimum, 30), kRtoMax);
  for (int i = 0; i < 100; ++i) rto.Sample(Duration::Millis(100));
  EXPECT_EQ(rto.Timeout(initial, minimum, 0), minimum);
}

TEST(Congestion, SlowStartThenAvoidance) {
  Congestion c;
  c.algorithm = CongestionAlgorithm::kNewReno;
  c.Start(1460);
  EXPECT_EQ(c.cwnd, 14'600u);
  c.ssthresh = 20'000;
  c.OnAcked(5000, 1000, Duration::Millis(10), Instant());
  EXPECT_EQ(c.cwnd, 19'600u);
  c.OnAcked(400 + 20'000, 1000, Duration::Millis(10), Instant());
  EXPECT_EQ(c.cwnd, 21'000u);
  c.OnLoss(20'000, 1000);
  EXPECT_EQ(c.cwnd, 10'000u);
  c.OnTimeout(10'000, 1000, true);
  EXPECT_EQ(c.cwnd, 1000u);
  EXPECT_EQ(c.ssthresh, 5000u);
}

TEST(Congestion, CubicReturnsToWMaxAroundK) {
  // RFC 9438 4.2: after a loss at 100 segments with a long RTT the curve is back at 100 after K =
  // cbrt(100 * 0.3 / 0.4) = 4.2 s, flat there.
  Congestion c;
  c.cwnd = 100'000;
  c.ssthresh = 1;
  c.OnLoss(100'000, 1000);
  EXPECT_EQ(c.cwnd, 70'000u);
  Instant now = Instant::FromNanos(1'000'000'000);
  const Duration rtt = Duration::Millis(200);
  for (int i = 0; i < 21; ++i) {
    c.OnAcked(c.cwnd, 1000, rtt, now);
    now = now + rtt;
  }
  EXPECT_GT(c.cwnd, 97'000u);
  EXPECT_LT(c.cwnd, 106'000u);
}

}  // namespace
}  // namespace meltemi::tcp
