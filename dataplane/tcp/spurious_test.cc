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
