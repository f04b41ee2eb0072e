// Loss detection and recovery as a sender with SACK does it, packet by packet: RFC 8985 (RACK-TLP),
// 9937 (PRR), 6298, 5681, 7661. Round trips take 20 ms.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"

namespace meltemi::tcp::testing {
namespace {

constexpr uint32_t kMss = 1000;
constexpr Duration kRtt = Duration::Millis(20);

Seg SackSyn() { return Syn().Mss(kMss).Window(65535).SackOk(); }

// An accepted connection whose handshake took a round trip.
void Open(Script* t, Seg syn = SackSyn()) {
  t->Peer(syn);
  t->Expect(SynAck());
  t->Wait(kRtt);
  t->Peer(Ack(1).At(1));
  t->ExpectEvent(TcpEvent::Kind::kAccepted);
}

// And with `segments` full segments in flight, for a round trip.
void InFlight(Script* t, uint32_t segments) {
  Open(t);
  t->Send(segments * kMss);
  EXPECT_EQ(t->sent_count(), segments);
  t->IgnoreOutput();
  t->Wait(kRtt);
}

// How many full segments the congestion window lets out at once, nothing being in flight.
size_t WindowInSegments(Script* t) {
  t->ExpectNothing();
  t->Send(200 * kMss);
  const size_t count = t->sent_count();
  t->IgnoreOutput();
  return count;
}

TEST(TcpRack, ThreeSackedSegmentsLoseTheHoleAtOnce) {
  // RFC 8985 6.2 step 4: no reordering seen: the window is a quarter of the round trip until
  // DupThresh segments are SACKed, then none.
  Script t;
  InFlight(&t, 8);
  t.Peer(Ack(1).Sack({{1001, 2001}}));
  t.Peer(Ack(1).Sack({{1001, 3001}}));
  t.ExpectNothing();
  t.Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, kMss));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().fast_recoveries, 1u);
  EXPECT_EQ(t.counters().rack_losses, 1u);
}

TEST(TcpRack, OneSackedSegmentLosesTheHoleAfterAQuarterOfTheRoundTrip) {
  // RFC 8985 6.2 step 5: the reordering timer.
  Script t;
  InFlight(&t, 3);
  t.Peer(Ack(1).Sack({{1001, 2001}}));
  t.Wait(Duration::Micros(4900));
  t.ExpectNothing();
  t.Wait(Duration::Micros(200));
  t.Expect(Data(1, kMss));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().reordering_timeouts, 1u);
  EXPECT_EQ(t.counters().fast_recoveries, 1u);
  t.Wait(kRtt);
  t.Peer(Ack(3001));
  t.Wait(Duration::Seconds(5));
  t.ExpectNothing();
}

TEST(TcpRack, ReorderingOnceSeenIsWaitedFor) {
  // RFC 8985 6.2 step 3: the hole fills without a retransmission. From then on DupThresh segments
  // are no reason to hurry.
  Script t;
  InFlight(&t, 8);
  t.Peer(Ack(1).Sack({{1001, 2001}}));
  t.Wait(Duration::Millis(2));
  t.Peer(Ack(2001));
  EXPECT_EQ(t.counters().reordering_seen, 1u);
  t.Peer(Ack(8001));
  t.Send(8 * kMss);
  t.IgnoreOutput();
  t.Wait(kRtt);
  t.Peer(Ack(8001).Sack({{9001, 15'001}}));
  t.ExpectNothing();
  t.Wait(Duration::Micros(4900));
  t.ExpectNothing();
  t.Wait(Duration::Micros(200));
  t.Expect(Data(8001, kMss));
  t.ExpectNothing();
}

TEST(TcpRack, DsackWidensTheReorderingWindow) {
  // RFC 8985 6.2 step 4: a spurious retransmission: two quarters from then on.
  Script t;
  InFlight(&t, 8);
  t.Peer(Ack(1).Sack({{1001, 2001}}));
  t.Wait(Duration::Millis(6));
  t.Expect(Data(1, kMss));
  t.Peer(Ack(2001));                    // the first transmission
  t.Peer(Ack(2001).Sack({{1, 1001}}));  // and the second
  EXPECT_EQ(t.counters().dsacks_in, 1u);
  t.Peer(Ack(8001));
  t.Send(8 * kMss);
  t.IgnoreOutput();
  t.Wait(kRtt);
  t.Peer(Ack(8001).Sack({{9001, 10'001}}));
  t.Wait(Duration::Micros(9900));
  t.ExpectNothing();
  t.Wait(Duration::Micros(200));
  t.Expect(Data(8001, kMss));
  t.ExpectNothing();
}

TEST(TcpRack, ALostRetransmissionIsSentAgain) {
  // RFC 8985 3.2: what is sent after it is delivered and it is not.
  Script t;
  Open(&t);
  t.Send(14 * kMss);
  t.IgnoreOutput();
  t.Wait(kRtt);
  t.Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, kMss));
  t.ExpectNothing();
  t.Peer(Ack(1).Sack({{1001, 5001}}));
  t.Expect(Data(10'001, kMss));  // PRR: one for one
  t.Wait(kRtt);
  t.Peer(Ack(1).Sack({{10'001, 11'001}, {1001, 5001}}));
  t.Expect(Data(1, kMss));
  EXPECT_EQ(t.counters().rto_expirations, 0u);
  EXPECT_EQ(t.counters().fast_recoveries, 1u);
  t.IgnoreOutput();
}

TEST(TcpPrr, RecoveryIsClockedByWhatIsDelivered) {
  // RFC 9937 6.2. Ten in flight, CUBIC's ssthresh is seven: three ACKs pass before the pipe is
  // there, then each lets one segment out.
  Script t;
  Open(&t);
  t.Send(20 * kMss);
  t.IgnoreOutput();
  t.Wait(kRtt);
  t.Peer(Ack(1).Sack({{1001, 4001}}));
  t.Expect(Data(1, kMss));
  t.ExpectNothing();
  for (uint32_t i = 0; i < 6; ++i) {
    t.Peer(Ack(1).Sack({{1001, 5001 + i * kMss}}));
    t.Expect(Data(10'001 + i * kMss, kMss));
    t.ExpectNothing();
  }
  // The end of recovery: cwnd = ssthresh, 7 segments, 6 of which are in flight.
  t.Wait(kRtt);
  t.Peer(Ack(10'001));
  t.Expect(Data(16'001, kMss));
  t.ExpectNothing();
}

TEST(TcpNewReno, IsChosenByOption) {
  // RFC 5681 3.1 (4): half of the flight, where CUBIC keeps seven tenths.
  for (const CongestionAlgorithm algorithm :
       {CongestionAlgorithm::kCubic, CongestionAlgorithm::kNewReno}) {
    Script t({.tcp = {.conn_count_max = 4, .congestion = algorithm}});
    InFlight(&t, 10);
    t.Peer(Ack(1).Sack({{1001, 10'001}}));
    t.Expect(Data(1, kMss));
    t.Wait(kRtt);
    t.Peer(Ack(10'001));
    EXPECT_EQ(WindowInSegments(&t), algorithm == CongestionAlgorithm::kCubic ? 7u : 5u);
  }
}

TEST(TcpTlp, SilenceIsAskedAboutAfterTwoRoundTrips) {
  // RFC 8985 7.2, 7.3, 7.4.1: the probe's SACK uncovers the loss of the segment before it.
  Script t;
  InFlight(&t, 3);
  t.Peer(Ack(1001));
  t.Wait(Duration::Micros(41'900));
  t.ExpectNothing();
  t.Wait(Duration::Micros(200));
  t.Expect(Data(2001, kMss));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().tlp_probes, 1u);
  t.Wait(kRtt);
  t.Peer(Ack(1001).Sack({{2001, 3001}}));
  t.Wait(Duration::Millis(6));
  t.Expect(Data(1001, kMss));
  EXPECT_EQ(t.counters().rto_expirations, 0u);
  t.IgnoreOutput();
}

TEST(TcpTlp, NewTextIsTheBetterProbe) {
  // RFC 8985 7.3: also beyond the congestion window.
  Script t;
  Open(&t);
  t.Send(12 * kMss);
  EXPECT_EQ(t.sent_count(), 10u);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(43));
  t.Expect(Data(10'001, kMss));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().retransmits, 0u);
}

TEST(TcpTlp, ALoneSegmentWaitsForADelayedAck) {
  // RFC 8985 7.2: max_ack_delay, but never longer than the RTO; then the RTO begins anew (7.3).
  Script t;
  Open(&t);
  t.Send(100);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(199));
  t.ExpectNothing();
  t.Wait(Duration::Millis(2));
  t.Expect(Data(1, 100));
  EXPECT_EQ(t.counters().tlp_probes, 1u);
  EXPECT_EQ(t.counters().rto_expirations, 0u);
  t.Wait(Duration::Millis(197));
  t.ExpectNothing();
  t.Wait(Duration::Millis(4));
  t.Expect(Data(1, 100));
  EXPECT_EQ(t.counters().tlp_probes, 1u);
  EXPECT_EQ(t.counters().rto_expirations, 1u);
}

TEST(TcpTlp, ARepairedLossLowersTheWindow) {
  // RFC 8985 7.4.2: no D-SACK by the time more is acknowledged.
  Script t;
  InFlight(&t, 4);
  t.Peer(Ack(3001));
  t.Wait(Duration::Millis(210));
  t.Expect(Data(3001, kMss));
  t.Wait(kRtt);
  t.Peer(Ack(4001));
  t.Send(kMss);
  t.Expect(Data(4001, kMss));
  t.Wait(kRtt);
  t.Peer(Ack(5001));
  EXPECT_EQ(t.counters().tlp_recoveries, 1u);
  EXPECT_EQ(WindowInSegments(&t), 2u);
}

TEST(TcpTlp, AProbeThatArrivedTwiceWasNeedless) {
  // RFC 8985 7.4.2 cases 1 and 2: D-SACK, or a duplicate ACK without any SACK block.
  for (const bool dsack : {true, false}) {
    Script t;
    InFlight(&t, 4);
    t.Peer(Ack(3001));
    t.Wait(Duration::Millis(210));
    t.Expect(Data(3001, kMss));
    t.Peer(Ack(4001));
    t.Wait(Duration::Millis(2));
    t.Peer(dsack ? Ack(4001).Sack({{3001, 4001}}) : Ack(4001));
    t.Send(kMss);
    t.Expect(Data(4001, kMss));
    t.Wait(kRtt);
    t.Peer(Ack(5001));
    EXPECT_EQ(t.counters().tlp_recoveries, 0u);
    EXPECT_GE(WindowInSegments(&t), 10u);
  }
}

TEST(TcpTlp, NeedsSack) {
  // RFC 8985 7.1.
  Script t;
  Open(&t, Syn().Mss(kMss).Window(65535));
  t.Send(3 * kMss);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(190));
  t.ExpectNothing();
}

TEST(TcpTlp, LostFinIsProbedWithTheTextBeforeIt) {
  Script t;
  Open(&t);
  t.Send(100);
  t.Expect(Data(1, 100));
  t.Finish();
  t.Expect(Fin(101));
  t.Wait(Duration::Millis(201));
  t.Expect(Data(1, 100).With(kFin));
  t.Peer(Ack(102));
}

TEST(TcpRto, AfterALostSynItIsThreeSeconds) {
  // RFC 6298 (5.7), and 6928 2: the window is one segment.
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Wait(Duration::Millis(1001));
  t.Expect(Syn());
  t.Peer(SynAck().Mss(kMss).Window(65535));
  t.Expect(Ack(1).At(1));
  t.ExpectEvent(TcpEvent::Kind::kConnected);
  t.Send(3 * kMss);
  t.Expect(Data(1, kMss));
  t.Wait(Duration::Millis(2990));
  t.ExpectNothing();
  t.Wait(Duration::Millis(20));
  t.Expect(Data(1, kMss));
  t.ExpectNothing();
}

TEST(TcpRto, KeepsWhatWasSackedUnlessTheReceiverThrewItAway) {
  // RFC 8985 6.3: only what is not SACKed is sent again.
  Script t;
  InFlight(&t, 4);
  t.Peer(Ack(1).Sack({{2001, 4001}}));
  t.Wait(Duration::Millis(6));
  t.IgnoreOutput();
  t.Wait(Duration::Millis(220));
  t.Expect(Data(1, kMss));
  EXPECT_EQ(t.counters().rto_expirations, 1u);
  t.Wait(kRtt);
  t.Peer(Ack(1001).Sack({{2001, 4001}}));
  t.Expect(Data(1001, kMss));
  t.Wait(kRtt);
  t.Peer(Ack(4001));
  t.Wait(Duration::Seconds(5));
  t.ExpectNothing();
}

TEST(TcpWindow, GrowsOnlyWhileItIsUsed) {
  // RFC 7661, 9293 3.8.2: a sender that has little to say learns nothing about the path.
  Script t;
  Open(&t);
  for (uint32_t i = 0; i < 50; ++i) {
    t.Send(kMss);
    t.Expect(Data(1 + i * kMss, kMss));
    t.Wait(kRtt);
    t.Peer(Ack(1 + (i + 1) * kMss));
  }
  EXPECT_EQ(WindowInSegments(&t), 10u);
}

TEST(TcpIdle, TheWindowHalvesForEachRto) {
  // RFC 2861 as softened by 7661.
  Script t;
  Open(&t);
  t.Send(60 * kMss);
  uint32_t acked = 0;
  while (t.sent_count() > 0) {
    acked += static_cast<uint32_t>(t.sent_count()) * kMss;
    t.IgnoreOutput();
    t.Wait(kRtt);
    t.Peer(Ack(1 + acked));
  }
  ASSERT_EQ(acked, 60 * kMss);
  t.Wait(Duration::Millis(250));  // one RTO of 200 ms
  t.Send(60 * kMss);
  EXPECT_GT(t.sent_count(), 15u);
  EXPECT_LT(t.sent_count(), 40u);
  EXPECT_EQ(t.counters().idle_restarts, 1u);
  t.IgnoreOutput();
}

}  // namespace
}  // namespace meltemi::tcp::testing
