// What a segment must prove: RFC 5961 (blind attacks), 6191 (TIME-WAIT), 7323 5.5 (PAWS after a
// long silence), 9293 3.8 (shut windows, FIN).
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/crowd.h"
#include "dataplane/tcp/testing/script.h"
#include "dataplane/tcp/time_wait.h"

namespace meltemi::tcp::testing {
namespace {

using Kind = TcpEvent::Kind;

TEST(Rfc5961, ChallengeAcksOfAWorkerAreLimited) {
  // 7: 2,000 connections are challenged in one second; a drawn 500 to 1,499 answer.
  Crowd crowd({.conn_count_max = 4096});
  std::vector<Link> links;
  for (uint32_t n = 0; n < 2000; ++n) links.push_back(*crowd.Open(Crowd::Peer(n), 1000 * n));
  uint64_t before = 0;
  for (int second = 0; second < 2; ++second) {
    for (const Link& l : links) crowd.From(l.peer, {.flags = kRst, .seq = l.seq + 1});
    const uint64_t answered = crowd.counters().challenge_acks - before;
    EXPECT_GE(answered, limits::kTcpChallengeAcksPerSecond / 2);
    EXPECT_LT(answered, limits::kTcpChallengeAcksPerSecond * 3 / 2);
    EXPECT_EQ(crowd.Take().size(), answered);
    before = crowd.counters().challenge_acks;
    crowd.Wait(Duration::Millis(1001));
  }
  EXPECT_EQ(crowd.counters().challenge_acks_limited_worker, 4000 - before);
  EXPECT_EQ(crowd.closed(), 0u);
}

TEST(Rfc5961, OldDuplicatesOfOneConnectionDoNotUseUpTheWorkersLimit) {
  Script t;
  t.Accept();
  for (int i = 0; i < 2000; ++i) {
    t.Wait(Duration::Millis(501));
    t.Peer(Ack(1).At(0x2000'0000));
  }
  EXPECT_EQ(t.counters().challenge_acks, 2000u);
  EXPECT_EQ(t.counters().challenge_acks_limited_worker, 0u);
  t.IgnoreOutput();
}

TEST(Rfc5961, SynOutsideTheWindowIsChallengedToo) {
  // 4.2: irrespective of the sequence number.
  Script t;
  t.Accept();
  t.Peer(Syn().At(0x3000'0000));
  t.Expect(Ack(1).At(1));
  t.ExpectNoEvent();
}

TEST(Rfc5961, AcceptableAcksEndAtTheLargestWindowSeen) {
  // 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT, at its edges.
  const struct {
    uint32_t ack;
    bool taken;
  } rows[] = {{1u - 65'536, false}, {1u - 65'535, true}, {0, true}, {1, true}, {2, false}};
  for (const auto& row : rows) {
    Script t;
    t.Accept();
    t.Peer(Data(1, 10).Acking(row.ack));
    EXPECT_EQ(t.received(), row.taken ? 10u : 0u) << row.ack;
    t.IgnoreOutput();
  }
}

TEST(Rfc5961, RstOfBeforeTheFinCountsWhenTheFinHasCome) {
  Script t;
  t.Accept();
  t.Peer(Fin(1));
  t.ExpectEvent(Kind::kEof);
  t.Expect(Ack(2));
  t.Peer(Rst(0));
  t.ExpectNothing();
  t.Peer(Rst(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
}

TEST(Rfc6191, ANewerSynMayTakeOver) {
  TimeWait plain, stamped;
  plain.rcv_nxt = stamped.rcv_nxt = 1000;
  stamped.timestamps = true;
  stamped.ts_recent = 50;
  const struct {
    const char* name;
    const TimeWait* old;
    uint32_t seq;
    std::optional<uint32_t> stamp;
    bool may;
  } rows[] = {
      {"no timestamps, higher", &plain, 1001, std::nullopt, true},
      {"no timestamps, same", &plain, 1000, std::nullopt, false},
      {"no timestamps, lower", &plain, 999, std::nullopt, false},
      {"now with timestamps", &plain, 999, 1, true},
      {"newer", &stamped, 999, 51, true},
      {"same, higher", &stamped, 1001, 50, true},
      {"same, lower", &stamped, 999, 50, false},
      {"older, higher", &stamped, 1001, 49, false},
      {"now without, higher", &stamped, 1001, std::nullopt, true},
      {"now without, lower", &stamped, 999, std::nullopt, false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(MayReuse(*row.old, row.seq, row.stamp), row.may) << row.name;
  }
}

TEST(Rfc6191, OurNumbersGoOnAboveTheOldOnes) {
  // Faster than the clock of RFC 6528 the old connection has used up 1 MB of numbers.
  Script t;
  t.Accept(Syn().Mss(1460).Window(65'535));
  const uint32_t old_isn = t.our_isn();
  constexpr uint32_t kBytes = 1'000'000;
  t.Send(kBytes);
  while (t.sent_count() > 0) {
    t.IgnoreOutput();
    t.Peer({.flags = kAck, .seq = 1, .text_bytes = 0});  // everything sent so far
  }
  t.Finish();
  t.Expect(Fin(1 + kBytes));
  t.Peer(Fin(1).Acking(2 + kBytes));
  t.IgnoreOutput();
  t.Peer(Syn().At(100'000));
  EXPECT_EQ(t.counters().time_wait_reused, 1u);
  EXPECT_EQ(t.our_isn() - old_isn, kBytes + 2 + 65'536);
  t.IgnoreOutput();
}

TEST(Rfc7323, TimestampOfAPeerSilentFor24DaysIsBelieved) {
  // 5.5: its clock may have gone half round, what looks old is new. Nor does what counts the
  // silence (52 days, short_time.h) go round.
  constexpr Duration kLife = Duration::Seconds(24 * 86'400);
  for (const Duration wait : {kLife - Duration::Seconds(1), kLife, kLife * 2,
                              Duration::Seconds(53 * 86'400), kLife * 5}) {
    const bool longer = wait >= kLife;
    Script t;
    t.Accept(Syn().Mss(1460).Ts(0x9000'0000, 0));
    t.Wait(wait);
    t.Peer(Data(1, 10).Ts(0x8fff'ffff, 1));
    EXPECT_EQ(t.received(), longer ? 10u : 0u);
    EXPECT_EQ(t.counters().paws_expired, longer ? 1u : 0u);
    EXPECT_EQ(t.counters().drop_paws, longer ? 0u : 1u);
    t.IgnoreOutput();
  }
}

TEST(Rfc6093, UrgentPointersAreCountedAndIgnored) {
  Script t;
  t.Accept();
  t.Peer(Data(1, 10).With(kUrg));
  EXPECT_EQ(t.received(), 10u);
  EXPECT_EQ(t.counters().urgent_in, 1u);
  t.IgnoreOutput();
}

TEST(Rfc9293, AWindowShutOnBytesInFlightIsNeverGivenUpWhileAcknowledged) {
  // 3.8.6.1: longer than the 15 timeouts that end a silent peer's connection.
  Script t;
  t.Accept();
  t.Send(1000);
  t.Expect(Data(1, 1000));
  for (int i = 0; i < 60; ++i) {
    t.Peer(Ack(1).At(1).Window(0));
    t.Wait(Duration::Seconds(61));
    ASSERT_GE(t.sent_count(), 1u);
    t.IgnoreOutput();
  }
  t.ExpectNoEvent();
  t.Peer(Ack(1001).At(1));
  t.ExpectNothing();
}

TEST(Rfc9293, NobodyWaitsForeverAtAShutWindowAfterRelease) {
  Script t;
  t.Accept();
  t.Peer(Ack(1).Window(0));
  t.Send(100);
  t.Release();
  for (int i = 0; i < 600 && t.tcp().conn_count() > 0; ++i) {
    t.Wait(Duration::Seconds(1));
    const size_t probes = t.sent_count();
    t.IgnoreOutput();
    if (probes > 0 && t.tcp().conn_count() > 0) t.Peer(Ack(1).At(1).Window(0));
  }
  EXPECT_EQ(t.tcp().conn_count(), 0u);
  EXPECT_EQ(t.counters().orphans_given_up, 1u);
  EXPECT_EQ(t.counters().window_probes, static_cast<uint64_t>(limits::kTcpOrphanProbesMax));
}

TEST(Rfc9293, ProbeIntoAShutWindowThatAcknowledgesOurFinEndsIt) {
  // LAST-ACK, and not a byte of room: the text is refused, its ACK counts, the connection is gone.
  Script t({.auto_consumed = false});
  t.Accept(Syn().Mss(1460).Scale(7).Window(65'535));
  uint32_t at = 1;
  const uint32_t limit = limits::kTcpReceiveWindowBytes;
  for (; at + 1460 <= limit; at += 1460) t.Peer(Data(at, 1460));
  t.Peer(Data(at, limit - at));
  t.Peer(Fin(limit));
  t.ExpectEvent(Kind::kEof);
  t.IgnoreOutput();
  t.Finish();
  t.Expect(Fin(1).Acking(limit + 1).Window(0));
  t.Peer(Data(limit + 1, 1).Acking(2));
  t.ExpectEvent(Kind::kClosed);
  EXPECT_EQ(t.tcp().conn_count(), 0u);
}

TEST(Rfc9293, RightEdgeMovesByASegmentAtLeast) {
  // 3.8.6.2.2: a reader that takes little at a time does not make the peer send little at a time.
  Script t({.auto_consumed = false});
  t.Accept(Syn().Mss(1460).Scale(7).Window(65'535));
  const uint32_t limit = limits::kTcpReceiveWindowBytes;
  t.Peer(Data(1, 1460));
  t.Expect(Ack(1461).Window((limit - 1460) >> 7));
  t.Consumed(1000);
  t.Peer(Data(1461, 1));
  t.Expect(Ack(1462).Window((limit - 1461) >> 7));
  t.Consumed(460);
  t.Peer(Data(1462, 1460));
  t.Expect(Ack(2922).Window((limit - 1461) >> 7));
}

}  // namespace
}  // namespace meltemi::tcp::testing
