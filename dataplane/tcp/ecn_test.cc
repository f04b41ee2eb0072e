// Explicit congestion notification, RFC 3168, packet by packet. Round trips take 20 ms.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"

namespace meltemi::tcp::testing {
namespace {

constexpr uint32_t kMss = 1000;
constexpr Duration kRtt = Duration::Millis(20);
constexpr uint8_t kEct0 = 2;
constexpr uint8_t kCe = 3;

Seg EcnSyn() { return Syn().Mss(kMss).Window(65535).SackOk().With(kEce | kCwr); }

// Accepted with ECN.
void Open(Script* t) {
  t->Peer(EcnSyn());
  t->Expect(SynAck().With(kEce).Ecn(0));
  t->Wait(kRtt);
  t->Peer(Ack(1).At(1));
  t->ExpectEvent(TcpEvent::Kind::kAccepted);
}

TEST(TcpEcn, PassiveSideAcceptsWhenAsked) {
  // RFC 3168 6.1.1, 6.1.4: text is marked as capable, ACKs are not.
  Script t;
  Open(&t);
  EXPECT_EQ(t.counters().ecn_negotiated, 1u);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(kEct0));
  t.Peer(Data(1, 10).Acking(101));
  t.Expect(Ack(11).Ecn(0));
}

TEST(TcpEcn, NothingChangesWithoutIt) {
  Script t;
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(0));
  t.Peer(Data(1, 10).Acking(101).Ecn(kCe));
  t.Expect(Ack(11).Ecn(0));
  t.Peer(Ack(101).With(kEce));
  EXPECT_EQ(t.counters().ecn_ece_in, 0u);
}

TEST(TcpEcn, SynThatIsMarkedOrAsksHalfIsNotAccepted) {
  // RFC 3168 6.1.1: no mark on a SYN; both flags, or none.
  const Seg syns[] = {EcnSyn().Ecn(kCe), EcnSyn().Ecn(kEct0),
                      Syn().Mss(kMss).Window(65535).With(kEce),
                      Syn().Mss(kMss).Window(65535).With(kCwr)};
  for (const Seg& syn : syns) {
    Script t;
    t.Peer(syn);
    t.Expect(SynAck());
    EXPECT_EQ(t.counters().ecn_negotiated, 0u);
  }
}

TEST(TcpEcn, CanBeSwitchedOff) {
  Script t({.tcp = {.conn_count_max = 4, .ecn = Ecn::kOff}});
  t.Peer(EcnSyn());
  t.Expect(SynAck());
}

TEST(TcpEcn, ActiveSideAsksWhenToldTo) {
  Script t({.tcp = {.conn_count_max = 4, .ecn = Ecn::kAsk}});
  t.StartConnect();
  t.Expect(Syn().With(kEce | kCwr).Ecn(0));
  t.Peer(SynAck().Mss(kMss).Window(65535).With(kEce));
  t.Expect(Ack(1).At(1));
  t.ExpectEvent(TcpEvent::Kind::kConnected);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(kEct0));
}

TEST(TcpEcn, AnswerWithBothFlagsOrNoneIsARefusal) {
  // RFC 3168 6.1.1: a peer that mirrors reserved bits does not speak ECN.
  for (const uint8_t flags : {0, kEce | kCwr}) {
    Script t({.tcp = {.conn_count_max = 4, .ecn = Ecn::kAsk}});
    t.StartConnect();
    t.Expect(Syn().With(kEce | kCwr));
    t.Peer(SynAck().Mss(kMss).Window(65535).With(flags));
    t.Expect(Ack(1).At(1));
    t.ExpectEvent(TcpEvent::Kind::kConnected);
    t.Send(100);
    t.Expect(Data(1, 100).Ecn(0));
  }
}

TEST(TcpEcn, LostSynIsRepeatedWithoutAsking) {
  // RFC 3168 6.1.1.1.
  Script t({.tcp = {.conn_count_max = 4, .ecn = Ecn::kAsk}});
  t.StartConnect();
  t.Expect(Syn().With(kEce | kCwr));
  t.Wait(Duration::Millis(1001));
  t.Expect(Syn());
  EXPECT_EQ(t.counters().ecn_fallbacks, 1u);
  t.Peer(SynAck().Mss(kMss).Window(65535).With(kEce));  // to the first, late
  t.Expect(Ack(1).At(1));
  t.ExpectEvent(TcpEvent::Kind::kConnected);
  t.Send(100);
  t.Expect(Data(1, 100).Ecn(0));
}

TEST(TcpEcn, AMarkIsEchoedUntilTheSenderHasHeard) {
  // RFC 3168 6.1.3.
  Script t;
  Open(&t);
  t.Peer(Data(1, 10).Ecn(kCe));
  t.Expect(Ack(11).With(kEce));
  t.Peer(Data(11, 10).Ecn(kEct0));
  t.Expect(Ack(21).With(kEce));
  t.Send(5);
  t.Expect(Data(1, 5).With(kEce));
  t.Peer(Data(21, 10).With(kCwr).Ecn(kEct0));
  t.Expect(Ack(31));
  t.Peer(Data(31, 10).With(kCwr).Ecn(kCe));  // a new mark on the segment that tells
  t.Expect(Ack(41).With(kEce));
  EXPECT_EQ(t.counters().ecn_ce_in, 2u);
}

TEST(TcpEcn, AnEchoLowersTheWindowOncePerRoundTripAndIsAnswered) {
  // RFC 3168 6.1.2: as for a loss, nothing is sent again. Ten in flight: seven are left.
  Script t;
  Open(&t);
  t.Send(40 * kMss);
  ASSERT_EQ(t.sent_count(), 10u);
  t.IgnoreOutput();
  t.Wait(kRtt);
  size_t sent = 0;
  for (uint32_t i = 1; i <= 10; ++i) {
    t.Peer(Ack(1 + i * kMss).With(kEce));
    if (sent == 0 && t.sent_count() > 0) t.Expect(Data(10'001, kMss).With(kCwr).Ecn(kEct0)), ++sent;
    sent += t.sent_count();
    t.IgnoreOutput();
  }
  EXPECT_EQ(sent, 7u);  // PRR: the pipe comes down to ssthresh
  EXPECT_EQ(t.counters().ecn_cwr_out, 1u);
  EXPECT_EQ(t.counters().retransmits, 0u);
  // The next round trip without an echo: the window grows again.
  t.Wait(kRtt);
  t.Peer(Ack(17'001));
  EXPECT_GE(t.sent_count(), 7u);
  EXPECT_EQ(t.counters().ecn_cwr_out, 1u);
  t.IgnoreOutput();
}

TEST(TcpEcn, RetransmissionsAndProbesAreNotMarked) {
  // RFC 3168 6.1.5, 6.1.6.
  Script t;
  Open(&t);
  t.Send(2 * kMss);
  t.IgnoreOutput();
  t.Wait(Duration::Millis(45));
  t.Expect(Data(1001, kMss).Ecn(0));
  t.Wait(Duration::Millis(210));
  t.Expect(Data(1, kMss).Ecn(0));
}

TEST(TcpEcn, TheAnswerIsOneSegmentNotASuperFrame) {
  // A port that cuts super-frames would repeat CWR on each segment.
  Script t({.path = {.mtu = 1500, .super_frame_bytes_max = 65'535}});
  Open(&t);
  t.Send(5 * kMss);
  t.Expect(Data(1, 5 * kMss).Ecn(kEct0));
  t.Wait(kRtt);
  t.Peer(Ack(1 + 5 * kMss).With(kEce));
  t.Send(3 * kMss);
  t.Expect(Data(5001, kMss).With(kCwr));
  t.Expect(Data(6001, 2 * kMss));
}

}  // namespace
}  // namespace meltemi::tcp::testing
