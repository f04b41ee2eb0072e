// Text both ways: RFC 9293 3.10.7.4 (first, seventh), 3.8.6 (windows), 5681 4.2 (when to
// acknowledge), 2018 (SACK blocks sent), 7323 (scaling, timestamps, PAWS), super-frames.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"
#include "l7/base/limits.h"

namespace meltemi::tcp::testing {
namespace {

using Kind = TcpEvent::Kind;

constexpr uint32_t kQuickAcks = 8;

// Uses up the quick ACKs of the start; the next byte is at the returned number.
uint32_t Warm(Script* t) {
  for (uint32_t i = 0; i < kQuickAcks; ++i) t->Peer(Data(1 + i * 10, 10));
  t->IgnoreOutput();
  return 1 + kQuickAcks * 10;
}

TEST(TcpReceive, FirstSegmentsAreAcknowledgedAtOnce) {
  Script t;
  t.Accept();
  t.Peer(Data(1, 10));
  t.Expect(Ack(11).At(1));
}

TEST(TcpReceive, LaterASingleSegmentWaitsForTheDelayedAck) {
  // RFC 5681 4.2, RFC 9293 3.8.6.3.
  Script t;
  t.Accept();
  const uint32_t at = Warm(&t);
  t.Peer(Data(at, 10));
  t.ExpectNothing();
  t.Wait(Duration::Millis(39));
  t.ExpectNothing();
  t.Wait(Duration::Millis(2));
  t.Expect(Ack(at + 10));
  EXPECT_EQ(t.counters().delayed_acks, 1u);
}

TEST(TcpReceive, EverySecondFullSegmentIsAcknowledged) {
  Script t;
  t.Accept();
  const uint32_t at = Warm(&t);
  t.Peer(Data(at, 1460));
  t.ExpectNothing();
  t.Peer(Data(at + 1460, 1460));
  t.Expect(Ack(at + 2920));
}

TEST(TcpReceive, TheAckRidesOnData) {
  Script t;
  t.Accept();
  const uint32_t at = Warm(&t);
  t.Peer(Data(at, 10));
  t.Send(5);
  t.Expect(Data(1, 5).Acking(at + 10));
  t.Peer(Ack(6));
  t.Wait(Duration::Millis(100));
  t.ExpectNothing();
}

TEST(TcpReceive, OutOfOrderIsAcknowledgedAtOnceAndKept) {
  Script t;
  t.Accept();
  Warm(&t);
  t.Peer(Data(101, 20));
  t.Expect(Ack(81));
  t.Peer(Data(81, 20));
  t.Expect(Ack(121));
  EXPECT_EQ(t.received(), 120u);
}

TEST(TcpReceive, DuplicateIsAcknowledgedAtOnce) {
  Script t;
  t.Accept();
  Warm(&t);
  t.Peer(Data(71, 10));
  t.Expect(Ack(81));
  EXPECT_EQ(t.received(), 80u);
}

TEST(TcpReceive, OverlapIsTrimmed) {
  Script t;
  t.Accept();
  t.Peer(Data(1, 100));
  t.Peer(Data(51, 100));
  t.Peer(Data(301, 100));
  t.Peer(Data(251, 100));  // overlaps the range behind the hole from the left
  t.Peer(Data(131, 300));  // covers everything
  EXPECT_EQ(t.received(), 430u);
  t.IgnoreOutput();
}

TEST(TcpReceive, TextBeyondTheWindowIsCut) {
  Script t({.auto_consumed = false});
  t.Accept();
  uint32_t at = 1;
  // 65535 bytes without window scaling: fill all but 100, then send 200.
  for (; at + 1400 <= 65'436; at += 1400) t.Peer(Data(at, 1400));
  t.Peer(Data(at, 65'436 - at));
  t.IgnoreOutput();
  EXPECT_EQ(t.received(), 65'435u);
}

TEST(TcpReceive, ClosedWindowStillAnswersProbes) {
  // 3.8.6.1: a probe of one byte into a shut window gets an ACK and the byte is not taken.
  Script t({.auto_consumed = false});
  t.Accept(Syn().Mss(1460).Scale(7).Window(65535));
  uint32_t at = 1;
  const uint32_t limit = limits::kTcpReceiveWindowBytes;
  for (; at + 1460 <= limit; at += 1460) t.Peer(Data(at, 1460));
  t.Peer(Data(at, limit + 1 - at));
  t.IgnoreOutput();
  EXPECT_EQ(t.received(), limit);
  t.Peer(Data(limit + 1, 1));
  t.Expect(Ack(limit + 1).Window(0));
  EXPECT_EQ(t.received(), limit);
  t.Wait(Duration::Millis(1));  // not within the round trip: no reason to grow
  t.Consumed(limit);            // and opening is told at once
  t.Expect(Ack(limit + 1).Window(limit >> 7));
  EXPECT_EQ(t.counters().window_updates, 1u);
}

TEST(TcpReceive, SmallOpeningsAreNotTold) {
  // 3.8.6.2.2: silly-window avoidance of the receiver.
  Script t({.auto_consumed = false});
  t.Accept(Syn().Mss(1460).Scale(7).Window(65535));
  uint32_t at = 1;
  const uint32_t limit = limits::kTcpReceiveWindowBytes;
  for (; at + 1460 <= limit; at += 1460) t.Peer(Data(at, 1460));
  t.Peer(Data(at, limit + 1 - at));
  t.IgnoreOutput();
  t.Consumed(100);
  t.ExpectNothing();
  t.Consumed(2900);
  t.Expect(Ack(limit + 1));
}

TEST(TcpReceive, WindowIsScaledWhenBothSidesScale) {
  Script t;
  t.Peer(Syn().Mss(1460).Scale(7).Window(65535));
  t.Expect(SynAck().Window(65535));  // RFC 7323 2.2: not scaled on a SYN
  t.Peer(Ack(1).At(1));
  t.Peer(Data(1, 10));
  // The right edge stays for 10 bytes: 3.8.6.2.2.
  t.Expect(Ack(11).Window((limits::kTcpReceiveWindowBytes - 10) >> 7));
}

TEST(TcpReceive, KeepaliveProbeIsAnswered) {
  // An empty segment one before the edge, as Linux and BSD send it.
  Script t;
  t.Accept();
  t.Peer(Data(1, 10));
  t.IgnoreOutput();
  t.Peer(Ack(1).At(10));
  t.Expect(Ack(11));
}

TEST(TcpReceive, UrgentDataIsOrdinaryData) {
  Script t;
  t.Accept();
  t.Peer(Data(1, 10).With(kUrg));
  EXPECT_EQ(t.received(), 10u);
  t.Expect(Ack(11));
}

TEST(TcpReceive, SuperFrameIsOneSegment) {
  Script t;
  t.Accept();
  t.Peer(Data(1, 15'000));
  EXPECT_EQ(t.received(), 15'000u);
  t.Expect(Ack(15'001));
}

TEST(TcpReceive, BurstIsProcessedInOrder) {
  Script t;
  t.Accept();
  t.PeerBurst({Data(1, 10), Data(11, 10), Data(21, 10), Fin(31)});
  EXPECT_EQ(t.received(), 30u);
  t.ExpectEvent(Kind::kEof);
  t.Expect(Ack(32));
}

TEST(TcpSackOut, ReportsTheHoleMostRecentFirst) {
  // RFC 2018 4.
  Script t;
  t.Accept(Syn().Mss(1460).SackOk());
  t.Peer(Data(101, 100));
  t.Expect(Ack(1).Sack({{101, 201}}));
  t.Peer(Data(301, 100));
  t.Expect(Ack(1).Sack({{301, 401}, {101, 201}}));
  t.Peer(Data(201, 100));  // joins both
  t.Expect(Ack(1).Sack({{101, 401}}));
  t.Peer(Data(1, 100));
  t.Expect(Ack(401).Sack({}));
}

TEST(TcpSackOut, NoBlocksWithoutPermission) {
  Script t;
  t.Accept();
  t.Peer(Data(101, 100));
  t.Expect(Ack(1).Sack({}));
}

TEST(TcpTimestamps, EchoTheSegmentThatAdvancedTheEdge) {
  // RFC 7323 4.3: with a hole, the segment before it.
  Script t;
  t.Accept(Syn().Mss(1460).Ts(100, 0));
  t.Peer(Data(1, 10).Ts(110, 1));
  EXPECT_EQ(t.PopSent().timestamps->echo, 110u);
  t.Peer(Data(21, 10).Ts(120, 1));  // out of order: not this one
  EXPECT_EQ(t.PopSent().timestamps->echo, 110u);
  t.Peer(Data(11, 10).Ts(130, 1));
  EXPECT_EQ(t.PopSent().timestamps->echo, 130u);
}

TEST(TcpTimestamps, OldTimestampIsRefused) {
  // PAWS, RFC 7323 5.
  Script t;
  t.Accept(Syn().Mss(1460).Ts(100, 0));
  t.Peer(Data(1, 10).Ts(99, 1));
  EXPECT_EQ(t.received(), 0u);
  t.Expect(Ack(1));
  EXPECT_EQ(t.counters().drop_paws, 1u);
}

TEST(TcpTimestamps, SegmentOutsideTheWindowDoesNotMoveTsRecent) {
  // RFC 7323 5.3: R2 comes before R3. A forged old segment must not shut the peer out.
  Script t;
  t.Accept(Syn().Mss(1460).Ts(100, 0));
  t.Peer(Data(0xfff0'0000, 10).Ts(100'000, 1));
  t.IgnoreOutput();
  t.Peer(Data(1, 10).Ts(101, 1));
  EXPECT_EQ(t.received(), 10u);
  t.IgnoreOutput();
}

TEST(TcpTimestamps, MissingTimestampIsDropped) {
  Script t;
  t.Accept(Syn().Mss(1460).Ts(100, 0));
  t.Peer(Data(1, 10));
  EXPECT_EQ(t.received(), 0u);
  EXPECT_EQ(t.counters().drop_no_timestamp, 1u);
}

TEST(TcpTimestamps, RstNeedsNone) {
  Script t;
  t.Accept(Syn().Mss(1460).Ts(100, 0));
  t.Peer(Rst(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
}

TEST(TcpSend, InitialWindowIsTenSegments) {
  // RFC 6928.
  Script t;
  t.Accept();
  t.Send(100'000);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 1460, 1460));
  t.ExpectNothing();
}

TEST(TcpSend, SlowStartAddsWhatIsAcknowledged) {
  Script t;
  t.Accept();
  t.Send(100'000);
  t.IgnoreOutput();
  t.Peer(Ack(1 + 2920));
  EXPECT_EQ(t.sent_count(), 4u);
  t.IgnoreOutput();
}

TEST(TcpSend, PeersMssBoundsSegments) {
  Script t;
  t.Accept(Syn().Mss(500));
  t.Send(1000);
  t.Expect(Data(1, 500));
  t.Expect(Data(501, 500));
}

TEST(TcpSend, WithoutMssOptionSegmentsAre536) {
  // RFC 9293 3.7.1.
  Script t;
  t.Accept(Syn());
  t.Send(536);
  t.Expect(Data(1, 536));
}

TEST(TcpSend, TimestampsShortenSegments) {
  // RFC 6691.
  Script t;
  t.Accept(Syn().Mss(1460).Ts(100, 0));
  t.Send(3000);
  t.Expect(Data(1, 1448));
  t.Expect(Data(1449, 1448));
  t.IgnoreOutput();
}

TEST(TcpSend, SmallWritesAreNotDelayed) {
  // Nagle is off for proxied streams.
  Script t;
  t.Accept();
  t.Send(1);
  t.Expect(Data(1, 1).With(kPsh));
  t.Send(1);
  t.Expect(Data(2, 1).With(kPsh));
}

TEST(TcpSend, PeersWindowBoundsFlight) {
  Script t;
  t.Peer(Syn().Mss(1000).Window(3000));
  t.Expect(SynAck());
  t.Peer(Ack(1).At(1).Window(3000));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(10'000);
  for (uint32_t i = 0; i < 3; ++i) t.Expect(Data(1 + 1000 * i, 1000));
  t.ExpectNothing();
  t.Peer(Ack(3001).Window(1000));
  t.Expect(Data(3001, 1000));
}

TEST(TcpSend, SillyWindowIsNotUsed) {
  // RFC 9293 3.8.6.2.1.
  Script t;
  t.Peer(Syn().Mss(1000).Window(3000));
  t.Expect(SynAck());
  t.Peer(Ack(1).At(1).Window(3000));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(10'000);
  t.IgnoreOutput();
  t.Peer(Ack(3001).Window(100));
  t.ExpectNothing();
  t.Peer(Ack(3001).Window(1000));
  t.Expect(Data(3001, 1000));
}

TEST(TcpSend, SillyWindowIsUsedWhenTheTimerRunsOut) {
  Script t;
  t.Peer(Syn().Mss(1000).Window(3000));
  t.Expect(SynAck());
  t.Peer(Ack(1).At(1).Window(3000));
  t.ExpectEvent(Kind::kAccepted);
  t.Send(10'000);
  t.IgnoreOutput();
  t.Peer(Ack(3001).Window(100));
  t.Wait(Duration::Seconds(2));
  t.Expect(Data(3001, 100));
  t.IgnoreOutput();
}

TEST(TcpSend, SuperFrameIsAWholeNumberOfSegments) {
  Script t({.path = {.mtu = 1500, .super_frame_bytes_max = 65'535}});
  t.Accept();
  t.Send(14'600);
  t.Expect(Data(1, 14'600).Segsz(1460).With(kPsh));
}

TEST(TcpSend, WindowIsTakenFromTheNewestSegmentOnly) {
  // snd.wl1, snd.wl2: an old reordered ACK must not shut the window.
  Script t;
  t.Accept();
  t.Peer(Data(1, 10).Window(60'000));
  t.Peer(Data(11, 10).Window(50'000));
  t.IgnoreOutput();
  t.Peer(Ack(1).At(11).Window(0));  // older sequence number
  t.IgnoreOutput();
  t.Send(100);
  t.Expect(Data(1, 100));
}

TEST(TcpSend, FullQueueSaysSoAndTellsWhenItHasDrained) {
  Script t;
  t.Accept();
  // At first the limit is the least; told is below its half.
  t.Send(limits::kTcpSendQueueBytesMin + 1);
  t.Peer(Ack(1 + 14'600));
  t.ExpectNoEvent();
  // cwnd is 29 200 and more now, the limit twice that.
  t.Peer(Ack(1 + 35'040));
  t.ExpectEvent(Kind::kSendSpace);
  t.IgnoreOutput();
}

TEST(TcpPersist, ShutWindowIsProbedWithBackoffForEverWhileAnswered) {
  // RFC 9293 3.8.6.1.
  Script t;
  t.Accept();
  t.Peer(Ack(1).Window(0));
  t.Send(100);
  t.ExpectNothing();
  for (int i = 0; i < 30; ++i) {
    t.Wait(Duration::Seconds(61));
    ASSERT_GE(t.sent_count(), 1u) << i;
    const Seg probe = t.PopSent();
    EXPECT_EQ(probe.text_bytes, 0u);
    EXPECT_EQ(probe.seq, 0u);  // before snd.una: the peer must answer
    t.IgnoreOutput();
    t.Peer(Ack(1).At(1).Window(0));
  }
  t.ExpectNoEvent();
  t.Peer(Ack(1).Window(1000));
  t.Expect(Data(1, 100));
}

TEST(TcpPersist, SilentPeerWithAShutWindowIsGivenUp) {
  Script t;
  t.Accept();
  t.Peer(Ack(1).Window(0));
  t.Send(100);
  t.Wait(Duration::Seconds(3600));
  t.IgnoreOutput();
  t.ExpectEvent(Kind::kClosed, TcpError::kTimeout);
}

}  // namespace
}  // namespace meltemi::tcp::testing
