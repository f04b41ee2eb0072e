// Attacks, each with the bound it meets: what it can make us hold, what it can make us send, and
// that the honest are still served.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/crowd.h"
#include "dataplane/tcp/testing/script.h"
#include "l7/base/limits.h"

namespace meltemi::tcp::testing {
namespace {

using Kind = TcpEvent::Kind;

Options FullSyn() {
  Options o;
  o.mss = 1460;
  o.window_scale = 7;
  o.sack_permitted = true;
  o.timestamps = Timestamps{1, 0};
  return o;
}

TEST(TcpAttack, SynFloodHoldsTheQueueAndNoMore) {
  // 100,000 SYNs of as many addresses. Bound: 256 half-open connections; one SYN-ACK for a SYN,
  // five more for each that is half open. Every thousandth peer is honest: it gets its connection.
  constexpr uint32_t kQueue = 256, kSyns = 100'000;
  Crowd crowd({.conn_count_max = 1024, .syn_queue_max = kQueue});
  std::vector<Link> old;
  for (uint32_t n = 0; n < 10; ++n) old.push_back(*crowd.Open(Crowd::Peer(n), n));
  uint32_t honest = 0;
  uint64_t answers = 0;
  for (uint32_t n = 0; n < kSyns; ++n) {
    crowd.From(Crowd::Peer(1'000'000 + n), {.flags = kSyn, .seq = n * 7919, .options = FullSyn()});
    answers += crowd.Take().size();
    ASSERT_LE(crowd.tcp().half_open_count(), kQueue);
    if (n % 1000 != 999) continue;
    ASSERT_TRUE(crowd.Open(Crowd::Peer(100 + honest), n, FullSyn())) << n;
    ++honest;
    Link& l = old[honest % old.size()];
    crowd.From(l.peer, {.flags = kAck, .seq = l.seq, .ack = l.ack, .text_bytes = 100});
    l.seq += 100;
    crowd.Take();
    ASSERT_EQ(crowd.received(), honest * 100);
  }
  EXPECT_EQ(honest, 100u);
  EXPECT_EQ(answers, kSyns);
  EXPECT_EQ(crowd.tcp().conn_count(), 10 + honest + kQueue);
  EXPECT_EQ(crowd.pool().outstanding(), 0);
  crowd.Wait(Duration::Seconds(70));
  uint64_t repeated = 0;
  for (const Heard& h : crowd.Take()) repeated += (h.flags & kSyn) != 0 ? 1 : 0;
  EXPECT_EQ(repeated, uint64_t{kQueue} * limits::kTcpSynRetries);
  EXPECT_EQ(crowd.tcp().conn_count(), 10 + honest);
}

TEST(TcpAttack, AckFloodHoldsNothing) {
  // 100,000 ACKs while cookies are out. Bound: a RST for each, no state; none opens a connection.
  Crowd crowd({.conn_count_max = 64, .syn_queue_max = 0});
  crowd.From(Crowd::Peer(1), {.flags = kSyn, .seq = 1});
  crowd.Take();
  Prng prng(7);
  uint64_t answers = 0;
  for (uint32_t n = 0; n < 100'000; ++n) {
    crowd.From(Crowd::Peer(100 + n), {.flags = kAck,
                                      .seq = static_cast<uint32_t>(prng.Next()),
                                      .ack = static_cast<uint32_t>(prng.Next())});
    for (const Heard& h : crowd.Take()) answers += h.flags == kRst ? 1 : 1000;
  }
  EXPECT_EQ(answers, 100'000u);
  EXPECT_EQ(crowd.counters().syn_cookies_invalid, 100'000u);
  EXPECT_EQ(crowd.tcp().conn_count(), 0u);
  EXPECT_EQ(crowd.pool().outstanding(), 0);
}

TEST(TcpAttack, GuessedRstSynAndDataDoNoHarm) {
  // The tuple is known, the numbers are not: the whole window is swept with RST and SYN, and text
  // comes with ACKs from all over. Bound: 3 answers in the second this takes; the stream is whole.
  Script t;
  t.Accept(Syn().Mss(1460).Scale(7).Window(65'535));
  t.Peer(Data(1, 100));
  t.IgnoreOutput();
  for (uint32_t at = 102; at < limits::kTcpReceiveWindowBytes; at += 53) {
    t.Peer(Rst(at));
    t.Peer(Syn().At(at));
  }
  for (uint32_t i = 1; i < 1000; ++i) {
    t.Peer(Data(101, 10).Acking(2 + i * 4'000'000));
  }
  t.Wait(Duration::Seconds(1));
  EXPECT_LE(t.sent_count(), 3u);
  t.IgnoreOutput();
  t.ExpectNoEvent();
  EXPECT_EQ(t.received(), 100u);
  Seg next = Data(101, 100);
  next.ack = 1;
  t.Peer(next);
  EXPECT_EQ(t.received(), 200u);
  t.IgnoreOutput();
}

TEST(TcpAttack, OfOverlappingTextTheFirstWins) {
  // In order or not: what has come stays. (Script checks each byte against the number it was sent
  // at; here the later copies are of another stream.)
  Crowd crowd({.conn_count_max = 4});
  Link l = *crowd.Open(Crowd::Peer(1), 0);
  crowd.reading = false;
  const auto say = [&](uint32_t seq, uint32_t bytes, char fill) {
    crowd.fill = fill;
    crowd.From(l.peer, {.flags = kAck, .seq = seq, .ack = l.ack, .text_bytes = bytes});
  };
  say(11, 10, 'a');  // [11, 21)
  say(6, 10, 'b');   // [6, 11) of it is new
  say(16, 10, 'c');  // [21, 26)
  say(1, 30, 'd');   // [1, 6) and [26, 31)
  EXPECT_EQ(crowd.KeptText(), "dddddbbbbbaaaaaaaaaacccccddddd");
}

TEST(TcpAttack, TinyMssIsNotObeyed) {
  // Linux's tcp_min_snd_mss. Bound: 64 bytes a segment, 52 with timestamps.
  for (const bool timestamps : {false, true}) {
    for (const uint16_t mss : {0, 1, 63, 64, 65}) {
      Script t;
      Seg syn = Syn().Mss(mss).Window(65'535);
      if (timestamps) syn.timestamps = Timestamps{1, 0};
      t.Accept(syn);
      t.Send(1000);
      const uint32_t want = std::max<uint32_t>(mss, limits::kTcpSendMssMin) - (timestamps ? 12 : 0);
      t.Expect(Data(1, want));
      t.IgnoreOutput();
    }
  }
}

TEST(TcpAttack, TinyWindowsAreUsedByTheTimerOnly) {
  // A window of 100 bytes, 1,000 times in 10 s. Bound: a segment for each RTO of 200 ms, 50 in all.
  Script t;
  t.Accept(Syn().Mss(1460).Window(65'535));
  t.Send(20'000);
  t.IgnoreOutput();
  uint32_t acked = 14'601;
  uint64_t packets = 0;
  for (int i = 0; i < 1000; ++i) {
    t.Peer(Ack(acked).Window(100));
    t.Wait(Duration::Millis(10));
    packets += t.sent_count();
    while (t.sent_count() > 0) {
      const Seg s = t.PopSent();
      acked = std::max(acked, *s.seq + *s.text_bytes);
    }
  }
  EXPECT_LE(packets, 50u);
  EXPECT_GE(packets, 10u);
  t.ExpectNoEvent();
}

TEST(TcpAttack, ManySackHolesCostNoMoreThanTheScoreboard) {
  // Segments of 64 bytes, every second byte acknowledged selectively (CVE-2019-11477, -11478).
  // Bound: an ACK makes us send at most 64 packets, and nothing is held but what was queued.
  Script t;
  t.Accept(Syn().Mss(1).SackOk().Window(65'535));
  t.Send(60'000);
  uint32_t acked = 1;
  for (int round = 0; round < 8; ++round) {  // open the window
    acked += static_cast<uint32_t>(t.sent_count()) * 64;
    t.IgnoreOutput();
    t.Peer(Ack(std::min(acked, 60'001u)));
  }
  t.IgnoreOutput();
  const int64_t held = t.pool().outstanding();
  for (uint32_t i = 0; i < 500; ++i) {
    const uint32_t at = acked + 1 + i * 6;
    t.Peer(Ack(acked).Sack({{at, at + 1}, {at + 2, at + 3}, {at + 4, at + 5}}));
    ASSERT_LE(t.sent_count(), static_cast<size_t>(limits::kTcpSegmentsPerConnPerTurn)) << i;
    t.IgnoreOutput();
    ASSERT_LE(t.pool().outstanding(), held);
    t.tcp().CheckInvariants();
  }
  t.Wait(Duration::Seconds(100));
  t.IgnoreOutput();
  t.ExpectNoEvent();
}

TEST(TcpAttack, OutOfOrderBombsHold256PacketsAConnection) {
  // 100 peers with 1,000 one-byte segments each, a hole before every one, then in long rows. Bound
  // for each: 32 ranges, 256 packets of 2 KB; for all: the worker's memory.
  constexpr uint64_t kRoom = packet::kSmallRoom;
  constexpr uint64_t kMemory = 4 * 1024 * 1024;
  Crowd crowd({.conn_count_max = 128, .memory_bytes_max = kMemory});
  std::vector<Link> links;
  for (uint32_t n = 0; n < 100; ++n) links.push_back(*crowd.Open(Crowd::Peer(n), n));
  for (const uint32_t step : {2u, 1u}) {
    for (uint32_t i = 1; i <= 1000; ++i) {
      for (const Link& l : links) {
        crowd.From(l.peer, {.flags = kAck, .seq = l.seq + i * step, .ack = l.ack, .text_bytes = 1});
      }
      ASSERT_LE(crowd.tcp().memory_bytes(), kMemory + kRoom);
      ASSERT_LE(crowd.tcp().memory_bytes(), links.size() * 256 * kRoom);
    }
    crowd.tcp().CheckInvariants();
  }
  EXPECT_GT(crowd.counters().drop_out_of_order_memory, 0u);
  // The honest byte is taken all the same.
  for (const Link& l : links) {
    crowd.From(l.peer, {.flags = kAck, .seq = l.seq, .ack = l.ack, .text_bytes = 1});
  }
  EXPECT_GE(crowd.received(), links.size());
  EXPECT_EQ(crowd.closed(), 0u);
}

TEST(TcpAttack, OneByteSegmentsForASlowReaderHoldFourWindows) {
  // Each costs a packet of 2 KB. Bound: 4 * 256 KB a connection, then the window is shut; when the
  // reader comes back the rest is taken.
  Crowd crowd({.conn_count_max = 4});
  const Link l = *crowd.Open(Crowd::Peer(1), 0, FullSyn());
  crowd.reading = false;
  Options stamp;
  stamp.timestamps = Timestamps{2, 0};
  for (uint32_t i = 0; i < 10'000; ++i) {
    crowd.From(l.peer,
               {.flags = kAck, .seq = l.seq + i, .ack = l.ack, .text_bytes = 1, .options = stamp});
  }
  constexpr uint64_t kBound = 4 * uint64_t{limits::kTcpReceiveWindowBytes} + packet::kSmallRoom;
  EXPECT_LE(crowd.tcp().memory_bytes(), kBound);
  const std::vector<Heard> heard = crowd.Take();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back().window, 0);
  EXPECT_GT(crowd.counters().drop_memory_full, 0u);
  const auto taken = static_cast<uint32_t>(crowd.received());
  crowd.Read();
  EXPECT_EQ(crowd.tcp().memory_bytes(), 0u);
  EXPECT_GT(crowd.Take().back().window, 0);
  crowd.From(
      l.peer,
      {.flags = kAck, .seq = l.seq + taken, .ack = l.ack, .text_bytes = 1, .options = stamp});
  EXPECT_EQ(crowd.received(), taken + 1);
}

// What is fetched ahead for a burst is a guess: a connection may end before its segment's turn.
// Method: bursts around the size of a group; each even connection is reset before its text comes.
TEST(TcpBurst, SegmentsBehindAResetOfTheSameBurstFindNothing) {
  for (const uint32_t count : {1u, 3u, 4u, 5u, 15u, 16u, 17u, 40u}) {
    Crowd crowd({.conn_count_max = 64});
    std::vector<Link> links;
    for (uint32_t i = 0; i < count; ++i) {
      const auto link = crowd.Open(Crowd::Peer(i), 1000 * i);
      ASSERT_TRUE(link.has_value());
      links.push_back(*link);
    }
    std::vector<std::pair<SockAddr, Say>> burst;
    uint64_t text = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const Link& l = links[i];
      if (i % 2 == 0) burst.push_back({l.peer, {.flags = kRst, .seq = l.seq}});
      burst.push_back({l.peer, {.flags = kAck, .seq = l.seq, .ack = l.ack, .text_bytes = 7}});
      if (i % 2 != 0) text += 7;
    }
    const uint64_t unmatched = crowd.counters().unmatched;
    crowd.FromAll(burst);
    EXPECT_EQ(crowd.received(), text) << count;
    EXPECT_EQ(crowd.closed(), (count + 1) / 2);
    EXPECT_EQ(crowd.counters().unmatched - unmatched, (count + 1) / 2);
    crowd.tcp().CheckInvariants();
  }
}

}  // namespace
}  // namespace meltemi::tcp::testing
