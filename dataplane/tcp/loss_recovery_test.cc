// What a sender does when something is missing: RFC 6298, 5681, 6582, 6675, 3042; path MTU by 1191.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"
#include "l7/base/limits.h"

namespace meltemi::tcp::testing {
namespace {

using Kind = TcpEvent::Kind;

constexpr uint32_t kMss = 1000;

// An established connection with `segments` full segments in flight and none queued.
void InFlight(Script* t, uint32_t segments, Seg syn = Syn().Mss(kMss).Window(65535)) {
  t->Accept(std::move(syn));
  t->Send(segments * kMss);
  EXPECT_EQ(t->sent_count(), segments);
  t->IgnoreOutput();
}

TEST(TcpRto, FirstTimeoutIsTheInitialOneAndDoubles) {
  // RFC 6298 (2.1), (5.5). The handshake's sample makes RTO the minimum, 200 ms.
  Script t;
  InFlight(&t, 1);
  t.Wait(Duration::Millis(190));
  t.ExpectNothing();
  t.Wait(Duration::Millis(20));
  t.Expect(Data(1, kMss));
  t.Wait(Duration::Millis(380));
  t.ExpectNothing();
  t.Wait(Duration::Millis(30));
  t.Expect(Data(1, kMss));
  EXPECT_EQ(t.counters().rto_expirations, 2u);
}

TEST(TcpRto, TimeoutSendsOneSegmentThenSlowStarts) {
  // RFC 5681 3.1: cwnd = 1 SMSS.
  Script t;
  InFlight(&t, 8);
  t.Wait(Duration::Millis(250));
  t.Expect(Data(1, kMss));
  t.ExpectNothing();
  t.Peer(Ack(1 + kMss));
  t.Expect(Data(1 + kMss, kMss));
  t.Expect(Data(1 + 2 * kMss, kMss));
  t.ExpectNothing();
}

TEST(TcpRto, AllAcknowledgedStopsTheTimer) {
  // (5.2)
  Script t;
  InFlight(&t, 3);
  t.Peer(Ack(1 + 3 * kMss));
  t.Wait(Duration::Seconds(10));
  t.ExpectNothing();
}

TEST(TcpRto, NewAckRestartsTheTimer) {
  // (5.3)
  Script t;
  InFlight(&t, 2);
  t.Wait(Duration::Millis(150));
  t.Peer(Ack(1 + kMss));
  t.Wait(Duration::Millis(150));
  t.ExpectNothing();
  t.Wait(Duration::Seconds(1));
  EXPECT_GE(t.sent_count(), 1u);
  t.IgnoreOutput();
}

TEST(TcpRto, GivesUpAfterTheLimit) {
  // RFC 9293 3.8.3, R2.
  Script t;
  InFlight(&t, 1);
  t.Wait(Duration::Seconds(100));
  t.ExpectNoEvent();  // at least 100 s
  t.Wait(Duration::Seconds(1000));
  t.ExpectEvent(Kind::kClosed, TcpError::kTimeout);
  EXPECT_EQ(t.counters().timeouts, 1u);
  t.IgnoreOutput();
}

TEST(TcpRto, SoftIcmpErrorIsTheReasonWhenItGivesUp) {
  // RFC 5461 4.
  Script t;
  InFlight(&t, 1);
  t.Icmp(1, false, 0);
  t.Wait(Duration::Seconds(1000));
  t.ExpectEvent(Kind::kClosed, TcpError::kUnreachable);
  t.IgnoreOutput();
}

TEST(TcpReno, TwoDuplicatesSendNewTextThreeResendTheHole) {
  // RFC 3042, 5681 3.2.
  Script t;
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(30 * kMss);
  const auto flight = static_cast<uint32_t>(t.sent_count());
  t.IgnoreOutput();
  const uint32_t next = 1 + flight * kMss;
  t.Peer(Ack(1));
  t.Expect(Data(next, kMss));
  t.Peer(Ack(1));
  t.Expect(Data(next + kMss, kMss));
  t.Peer(Ack(1));
  t.Expect(Data(1, kMss));
  EXPECT_EQ(t.counters().fast_recoveries, 1u);
  t.IgnoreOutput();
}

TEST(TcpReno, PartialAckSendsTheNextHole) {
  // RFC 6582 3.2.
  Script t;
  InFlight(&t, 8);
  for (int i = 0; i < 3; ++i) t.Peer(Ack(1));
  t.Expect(Data(1, kMss));
  t.Peer(Ack(1 + 3 * kMss));
  t.Expect(Data(1 + 3 * kMss, kMss));
  t.Peer(Ack(1 + 8 * kMss));
  t.Wait(Duration::Seconds(5));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().fast_recoveries, 1u);
}

TEST(TcpReno, DuplicatesAfterARecoveryBeginNoOther) {
  // RFC 6582 3.2 (1): they come from what was sent again needlessly.
  Script t;
  InFlight(&t, 8);
  for (int i = 0; i < 3; ++i) t.Peer(Ack(1));
  t.Expect(Data(1, kMss));
  t.Send(1000);
  t.IgnoreOutput();
  t.Peer(Ack(1 + 8 * kMss));
  t.Expect(Data(1 + 8 * kMss, kMss));
  for (int i = 0; i < 4; ++i) t.Peer(Ack(1 + 8 * kMss));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().fast_recoveries, 1u);
}

TEST(TcpReno, SmallSegmentsAreCountedToo) {
  // RFC 5681 3.2: three duplicates, however little was sent.
  Script t;
  t.Accept(Syn().Mss(kMss).Window(65535));
  for (int i = 0; i < 5; ++i) t.Send(10);
  t.IgnoreOutput();
  for (int i = 0; i < 3; ++i) t.Peer(Ack(1));
  t.Expect(Data(1, 50));
}

TEST(TcpReno, WindowUpdatesAreNotDuplicates) {
  // RFC 5681 2 (e).
  Script t;
  InFlight(&t, 5);
  for (uint16_t i = 0; i < 5; ++i) t.Peer(Ack(1).Window(static_cast<uint16_t>(60'000 + i)));
  t.ExpectNothing();
}

TEST(TcpReno, DataIsNoDuplicateAck) {
  Script t;
  InFlight(&t, 5);
  for (uint32_t i = 0; i < 5; ++i) t.Peer(Data(1 + i * 10, 10).Acking(1));
  EXPECT_EQ(t.counters().fast_recoveries, 0u);
  t.IgnoreOutput();
}

Seg SackSyn() { return Syn().Mss(kMss).Window(65535).SackOk(); }

TEST(TcpSack, HolesAreResentAndOnlyHoles) {
  // RFC 6675 5.
  Script t;
  t.Peer(SackSyn());
  t.Expect(SynAck());
  t.Wait(Duration::Millis(20));
  t.Peer(Ack(1).At(1));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(8 * kMss);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(20));
  // Segments 1 and 3 are lost.
  t.Peer(Ack(1).Sack({{1001, 2001}}));
  t.Peer(Ack(1).Sack({{3001, 4001}, {1001, 2001}}));
  t.Peer(Ack(1).Sack({{3001, 5001}, {1001, 2001}}));
  t.Expect(Data(1, kMss));
  t.Peer(Ack(1).Sack({{3001, 6001}, {1001, 2001}}));
  t.Expect(Data(2001, kMss));
  t.Peer(Ack(1).Sack({{3001, 7001}, {1001, 2001}}));
  t.Peer(Ack(1).Sack({{3001, 8001}, {1001, 2001}}));
  t.ExpectNothing();
  t.Peer(Ack(8001));
  t.Wait(Duration::Seconds(5));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().retransmits, 2u);
}

TEST(TcpSack, DuplicateAcksWithoutNewBlocksAreNoLoss) {
  // RFC 6675 2: a duplicate ACK brings new SACK information.
  Script t;
  InFlight(&t, 5, SackSyn());
  for (int i = 0; i < 5; ++i) t.Peer(Ack(1));
  t.ExpectNothing();
}

TEST(TcpSack, BlocksOutsideTheWindowAreRefused) {
  Script t;
  InFlight(&t, 3, SackSyn());
  t.Peer(Ack(1).Sack({{9001, 90'001}, {2001, 1001}}));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().sack_blocks_invalid, 2u);
}

TEST(TcpSack, DuplicateReportIsNotAnError) {
  // RFC 2883: the first block lies below the ACK.
  Script t;
  InFlight(&t, 3, SackSyn());
  t.Peer(Ack(2001).Sack({{1, 1001}}));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().sack_blocks_invalid, 0u);
}

TEST(TcpSack, WhatTheReceiverThrewAwayIsSentAgain) {
  // RFC 2018 8: the receiver may have thrown it away.
  Script t;
  InFlight(&t, 3, SackSyn());
  t.Peer(Ack(1).Sack({{1001, 2001}}));
  t.IgnoreOutput();
  t.Wait(Duration::Millis(300));
  t.Expect(Data(1, kMss));
  t.IgnoreOutput();
  EXPECT_EQ(t.counters().sack_reneging, 0u);
  t.Peer(Ack(1001));  // stops before what was reported: it was
  t.Expect(Data(1001, kMss));
  EXPECT_EQ(t.counters().sack_reneging, 1u);
  t.IgnoreOutput();
}

TEST(TcpSack, LostFinIsResent) {
  Script t;
  InFlight(&t, 2, SackSyn());
  t.Finish();
  t.Expect(Fin(2001));
  t.Peer(Ack(2001));
  t.Wait(Duration::Seconds(1));
  t.Expect(Fin(2001));
  t.IgnoreOutput();
  t.Peer(Ack(2002));
  EXPECT_EQ(t.tcp().conn_count(), 1u);
  t.Wait(Duration::Seconds(100));
  t.ExpectNothing();
}

TEST(TcpPathMtu, TooBigSendsAgainSmaller) {
  // RFC 1191 6.5, 5927 for what may be believed.
  Script t;
  t.Accept(Syn().Mss(1460).Window(65535));
  t.Send(1460);
  t.Expect(Data(1, 1460));
  t.Icmp(90'000, false, 1000);  // nothing of ours
  t.ExpectNothing();
  t.Icmp(1, false, 1000);
  t.Expect(Data(1, 960));
  t.Expect(Data(961, 500));
  EXPECT_EQ(t.counters().icmp_too_big, 1u);
}

TEST(TcpPathMtu, TooBigNeverGoesBelowTheFloorNorUp) {
  Script t;
  t.Accept(Syn().Mss(1460).Window(65535));
  t.Send(1460);
  t.Expect(Data(1, 1460));
  t.Icmp(1, false, 9000);
  t.ExpectNothing();
  t.Icmp(1, false, 68);
  t.Expect(Data(1, limits::kTcpPathMtuMinV4 - 40));
  t.IgnoreOutput();
}

TEST(TcpKeepalive, ProbesAnIdlePeerAndGivesUp) {
  // RFC 9293 3.8.4.
  Script t({.tcp = {.conn_count_max = 4, .keepalive = {.idle = Duration::Seconds(60)}}});
  t.Accept();
  t.Wait(Duration::Seconds(61));
  t.Expect(Ack(1).At(0));
  t.Peer(Ack(1).At(1));
  for (int i = 0; i < 9; ++i) {
    t.Wait(Duration::Seconds(76));
    t.Expect(Ack(1).At(0));
  }
  t.ExpectNoEvent();
  t.Wait(Duration::Seconds(76));
  t.ExpectEvent(Kind::kClosed, TcpError::kTimeout);
  t.IgnoreOutput();
}

TEST(TcpKeepalive, TrafficPutsItOff) {
  Script t({.tcp = {.conn_count_max = 4, .keepalive = {.idle = Duration::Seconds(60)}}});
  t.Accept();
  for (uint32_t i = 0; i < 10; ++i) {
    t.Wait(Duration::Seconds(50));
    t.Peer(Data(1 + i, 1));
  }
  EXPECT_EQ(t.counters().keepalive_probes, 0u);
  t.IgnoreOutput();
}

TEST(TcpIdle, LongIdleStartsFromTheInitialWindowAgain) {
  // RFC 5681 4.1.
  Script t;
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(60 * kMss);
  uint32_t acked = 0;
  while (t.sent_count() > 0) {
    acked += static_cast<uint32_t>(t.sent_count()) * kMss;
    t.IgnoreOutput();
    t.Peer(Ack(1 + acked));
  }
  ASSERT_EQ(acked, 60 * kMss);
  t.Wait(Duration::Seconds(10));
  t.Send(60 * kMss);
  EXPECT_EQ(t.sent_count(), 10u);
  t.IgnoreOutput();
}

}  // namespace
}  // namespace meltemi::tcp::testing
