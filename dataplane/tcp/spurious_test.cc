// Recoveries that turn out to have been for nothing are taken back: Eifel (RFC 3522, 4015), F-RTO
// (RFC 5682), D-SACK (RFC 2883, 3708). Round trips take 20 ms.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"

namespace meltemi::tcp::testing {
namespace {

constexpr uint32_t kMss = 1000;
constexpr Duration kRtt = Duration::Millis(20);

void Open(Script* t, Seg syn) {
  t->Peer(syn);
  t->Expect(SynAck());
  t->Wait(kRtt);
  Seg ack = Ack(1).At(1);
  if (syn.timestamps) ack.timestamps = Timestamps{100, 1};
  t->Peer(ack);
  t->ExpectEvent(TcpEvent::Kind::kAccepted);
}

Seg PlainSyn() { return Syn().Mss(kMss).Window(65535); }
Seg SackSyn() { return Syn().Mss(kMss).Window(65535).SackOk(); }

size_t WindowInSegments(Script* t) {
  t->ExpectNothing();
  t->Send(200 * kMss);
  const size_t count = t->sent_count();
  t->IgnoreOutput();
  return count;
}

TEST(TcpEifel, AnAckOfTheFirstTransmissionTakesTheTimeoutBack) {
  // RFC 3522 3.2: the echo is older than the retransmission. 4015: the window is as before.
  Script t;
  Open(&t, PlainSyn().Mss(kMss + 12).Ts(100, 0));
  t.Send(4 * kMss);
  ASSERT_EQ(t.sent_count(), 4u);
  const uint32_t first_clock = t.PopSent().timestamps->value;
  t.IgnoreOutput();
  t.Wait(Duration::Millis(205));
  ASSERT_EQ(t.sent_count(), 1u);
  const Seg again = t.PopSent();
  EXPECT_EQ(again.seq, 1u);
  EXPECT_GE(again.timestamps->value - first_clock, 200u);
  t.Peer(Ack(1001).Ts(101, first_clock));
  EXPECT_EQ(t.counters().spurious_timeouts, 1u);
  t.ExpectNothing();  // the rest is in flight, not lost
  t.Peer(Ack(4001).Ts(102, first_clock));
  t.Send(200 * kMss);
  EXPECT_GE(t.sent_count(), 10u);
  t.IgnoreOutput();
}

TEST(TcpEifel, AnAckOfTheRetransmissionDoesNot) {
  Script t;
  Open(&t, PlainSyn().Mss(kMss + 12).Ts(100, 0));
  t.Send(4 * kMss);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(205));
  ASSERT_EQ(t.sent_count(), 1u);
  const uint32_t clock = t.PopSent().timestamps->value;
  t.Wait(kRtt);
  t.Peer(Ack(1001).Ts(101, clock));
  t.Expect(Data(1001, kMss));
  t.Expect(Data(2001, kMss));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().undos, 0u);
}

// The peer answers, echoing our clock if the connection has timestamps (`echo` is not 0).
void Answer(Script* t, Seg ack, uint32_t echo) {
  if (echo != 0) ack.timestamps = Timestamps{200, echo};
  t->Peer(ack);
}

// Ten segments of which 1 and 6001 are lost, and 10'001 of the window after it. When this returns,
// 10'001 was found lost in the recovery of the others, has been sent again, and is the first that
// is missing, and the last ACK has told of `sacked` behind it. Returns our clock when it was sent
// again, or 0 without timestamps.
uint32_t LoseInTwoWindows(Script* t, std::vector<SeqRange> sacked) {
  t->Send(40 * kMss);
  EXPECT_EQ(t->sent_count(), 10u);
  const Seg first = t->PopSent();
  const uint32_t clock = first.timestamps ? first.timestamps->value : 0;
  t->IgnoreOutput();
  t->Wait(kRtt);
  Answer(t, Ack(1).Sack({{1001, 4001}}), clock);
  t->Expect(Data(1, kMss));
  Answer(t, Ack(1).Sack({{1001, 6001}}), clock);
  t->Expect(Data(10'001, kMss));
  t->Expect(Data(11'001, kMss));
  t->Wait(Duration::Millis(5));
  Answer(t, Ack(1).Sack({{7001, 10'001}, {1001, 6001}}), clock);
  t->Expect(Data(6001, kMss));
  t->IgnoreOutput();
  t->Wait(Duration::Millis(15));
  Answer(t, Ack(6001).Sack({{7001, 10'001}}), clock + 20);
  t->IgnoreOutput();
  Answer(t, Ack(6001).Sack({{11'001, 12'001}, {7001, 10'001}}), clock + 20);
  const Seg again = t->PopSent();
  EXPECT_EQ(again.seq, 10'001u);
  t->IgnoreOutput();
  t->Wait(Duration::Millis(5));
  EXPECT_EQ(t->counters().fast_recoveries, 1u);
  Answer(t, Ack(10'001).Sack(std::move(sacked)), clock + 25);
  return clock == 0 ? 0 : again.timestamps->value;
}

TEST(TcpEifel, WhatAnotherRecoverySentAgainProvesNothing) {
  // RFC 3522 3.2: RetransmitTS is of the segment that this recovery sent again first, and the first
  // acceptable ACK decides. Where much is lost, many ACKs answer what an older one has sent again.
  Script t;
  Open(&t, SackSyn().Mss(kMss + 12).Ts(100, 0));
  const uint32_t clock = LoseInTwoWindows(&t, {{13'001, 15'001}, {11'001, 12'001}});
  const Seg again = t.PopSent();
  EXPECT_EQ(again.seq, 12'001u);
  EXPECT_EQ(again.timestamps->value, clock + 5);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(15));
  Answer(&t, Ack(12'001).Sack({{13'001, 15'001}}), clock);
  EXPECT_EQ(t.counters().undos, 0u);
  t.IgnoreOutput();
}

TEST(TcpDsack, WhatAnotherRecoverySentAgainIsToArriveTwiceToo) {
  // RFC 3708: all that was sent again, also what was in flight when the recovery began.
  Script t;
  Open(&t, SackSyn());
  LoseInTwoWindows(&t, {{13'001, 15'001}, {11'001, 12'001}});
  t.Expect(Data(12'001, kMss));
  t.IgnoreOutput();
  t.Wait(Duration::Millis(15));
  t.Peer(Ack(15'001).Sack({{10'001, 11'001}}));  // 12'001 was lost
  EXPECT_EQ(t.counters().dsacks_in, 1u);
  EXPECT_EQ(t.counters().undos, 0u);
  t.IgnoreOutput();
}

TEST(TcpLoss, InTwoWindowsLowersItTwice) {
  // RFC 5681 4.3: also when the loss of the second was found, and sent again, in the recovery of
  // the first. 10, then 7, then 4.9 segments: what SACK let out beyond the window is not counted.
  Script t;
  Open(&t, SackSyn());
  LoseInTwoWindows(&t, {{11'001, 12'001}});
  EXPECT_EQ(t.counters().fast_recoveries, 2u);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(15));
  t.Peer(Ack(18'001));
  EXPECT_EQ(t.sent_count(), 4u);
  t.IgnoreOutput();
}

TEST(TcpFrto, TwoAcksOfTextSentOnceTakeTheTimeoutBack) {
  // RFC 5682 2.1, without SACK and timestamps: (2b) the first ACK lets two new segments out, (3b)
  // the second shows that nothing was lost.
  Script t;
  Open(&t, PlainSyn());
  t.Send(14 * kMss);
  ASSERT_EQ(t.sent_count(), 10u);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(205));
  t.Expect(Data(1, kMss));
  t.Peer(Ack(1001));
  t.Expect(Data(10'001, kMss));
  t.Expect(Data(11'001, kMss));
  t.ExpectNothing();
  t.Peer(Ack(2001));
  EXPECT_EQ(t.counters().spurious_timeouts, 1u);
  // The window of ten is back: nine in flight of the old, two new, two more fit with slow start.
  t.Peer(Ack(10'001));
  t.Expect(Data(12'001, kMss));
  t.Expect(Data(13'001, kMss));
  EXPECT_EQ(t.counters().retransmits, 1u);
}

TEST(TcpFrto, ADuplicateAfterTheNewTextMeansLoss) {
  // RFC 5682 2.1 (3a).
  Script t;
  Open(&t, PlainSyn());
  t.Send(14 * kMss);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(205));
  t.Expect(Data(1, kMss));
  t.Peer(Ack(1001));
  t.Expect(Data(10'001, kMss));
  t.Expect(Data(11'001, kMss));
  t.Peer(Ack(1001));
  t.IgnoreOutput();
  t.Peer(Ack(2001));
  ASSERT_GE(t.sent_count(), 1u);
  t.IgnoreOutput();
  EXPECT_GE(t.counters().retransmits, 2u);
  EXPECT_EQ(t.counters().undos, 0u);
}

TEST(TcpFrto, WithoutNewTextTheOldIsSentAgain) {
  // RFC 5682 2.1 (2b) needs something to send.
  Script t;
  Open(&t, PlainSyn());
  t.Send(4 * kMss);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(205));
  t.Expect(Data(1, kMss));
  t.Peer(Ack(1001));
  t.Expect(Data(1001, kMss));
  t.Expect(Data(2001, kMss));
  t.ExpectNothing();
}

TEST(TcpFrto, WithSackTextSentOnceDecidesAtOnce) {
  // RFC 5682 3.1: the ACK covers more than was sent again.
  Script t;
  Open(&t, SackSyn());
  t.Send(4 * kMss);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(45));
  t.Expect(Data(3001, kMss));  // the probe
  t.Wait(Duration::Millis(205));
  t.Expect(Data(1, kMss));
  EXPECT_EQ(t.counters().rto_expirations, 1u);
  t.Peer(Ack(2001));
  EXPECT_EQ(t.counters().spurious_timeouts, 1u);
  t.ExpectNothing();
  t.Peer(Ack(4001));
  EXPECT_GE(WindowInSegments(&t), 10u);
}

TEST(TcpDsack, AllSentAgainArrivedTwiceTakesTheRecoveryBack) {
  // RFC 3708 by D-SACK, also after the recovery has ended.
  Script t;
  Open(&t, SackSyn());
  t.Send(8 * kMss);
  t.IgnoreOutput();
  t.Wait(kRtt);
  t.Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, kMss));
  EXPECT_EQ(t.counters().fast_recoveries, 1u);
  t.Peer(Ack(8001));
  EXPECT_EQ(t.counters().undos, 0u);
  t.Wait(kRtt);
  t.Peer(Ack(8001).Sack({{1, 1001}}));
  EXPECT_EQ(t.counters().undos, 1u);
  EXPECT_GE(WindowInSegments(&t), 10u);
}

TEST(TcpDsack, OneOfTwoIsNotEnough) {
  Script t;
  Open(&t, SackSyn());
  t.Send(8 * kMss);
  t.IgnoreOutput();
  t.Wait(kRtt);
  t.Peer(Ack(1).Sack({{2001, 5001}}));
  t.Expect(Data(1, kMss));
  t.Peer(Ack(1).Sack({{2001, 8001}}));
  t.Expect(Data(1001, kMss));
  t.Peer(Ack(8001));
  t.Wait(kRtt);
  t.Peer(Ack(8001).Sack({{1, 1001}}));
  EXPECT_EQ(t.counters().undos, 0u);
  EXPECT_EQ(WindowInSegments(&t), 5u);  // 0.7 * 8
}

TEST(TcpDsack, WhatComesTooLateIsForgottenWithTheFlight) {
  // The state of a flight is given back an RTO after its end, whatever may still come.
  Script t;
  Open(&t, SackSyn());
  t.Send(8 * kMss);
  t.IgnoreOutput();
  t.Wait(kRtt);
  t.Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, kMss));
  t.Peer(Ack(8001));
  t.Wait(Duration::Millis(250));
  t.Peer(Ack(8001).Sack({{1, 1001}}));
  EXPECT_EQ(t.counters().undos, 0u);
  t.ExpectNothing();
}

}  // namespace
}  // namespace meltemi::tcp::testing
