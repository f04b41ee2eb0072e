// Opening a connection: RFC 9293 3.5, 3.10.7.1 to 3.10.7.3; 7323 and 2018 negotiation; 6298 for
// SYNs.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"

namespace meltemi::tcp::testing {
namespace {

using Kind = TcpEvent::Kind;

TEST(TcpHandshake, PassiveOpenIsAcceptedByTheThirdSegment) {
  Script t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck().Mss(1460));
  t.ExpectNoEvent();
  t.Peer(Ack(1).At(1));
  t.ExpectEvent(Kind::kAccepted);
  EXPECT_EQ(t.counters().accepts, 1u);
}

TEST(TcpHandshake, Ipv6OffersTheSmallerMss) {
  Script t({.ipv6 = true});
  t.Peer(Syn().Mss(1440));
  t.Expect(SynAck().Mss(1440));
}

TEST(TcpHandshake, SynAckOffersOnlyWhatTheSynOffered) {
  Script t;
  t.Peer(Syn().Mss(1460));
  ASSERT_EQ(t.sent_count(), 1u);
  const Seg got = t.PopSent();
  EXPECT_EQ(got.sack_permitted, false);
  EXPECT_FALSE(got.window_scale.has_value());
  EXPECT_FALSE(got.timestamps.has_value());
}

TEST(TcpHandshake, SynAckEchoesTimestampAndPermitsSack) {
  Script t;
  t.Peer(Syn().Mss(1460).Scale(7).SackOk().Ts(777, 0));
  Seg want = SynAck();
  want.sack_permitted = true;
  want.window_scale = 7;
  t.Expect(std::move(want));
}

TEST(TcpHandshake, FirstDataMayComeWithTheThirdSegment) {
  Script t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.Peer(Data(1, 100).Acking(1));
  t.ExpectEvent(Kind::kAccepted);
  EXPECT_EQ(t.received(), 100u);
  t.Expect(Ack(101).At(1));
}

TEST(TcpHandshake, ActiveOpenSendsSynWithOptionsAndAcknowledges) {
  Script t;
  t.StartConnect();
  Seg syn = Syn().Mss(1460).Scale(7);
  syn.sack_permitted = true;
  t.Expect(std::move(syn));
  t.Peer(SynAck().Mss(1400));
  t.Expect(Ack(1).At(1));
  t.ExpectEvent(Kind::kConnected);
  EXPECT_EQ(t.counters().connects, 1u);
}

TEST(TcpHandshake, SynIsRepeatedWithBackoffAndGivesUp) {
  // RFC 6298 5.5, 5.7: 1, 2, 4, 8, 16 s, then the open fails.
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Wait(Duration::Millis(10));
  for (int seconds : {1, 2, 4, 8, 16}) {
    t.Wait(Duration::Seconds(seconds) - Duration::Millis(20));
    t.ExpectNothing();
    t.Wait(Duration::Millis(20));
    t.Expect(Syn());
  }
  t.ExpectNoEvent();
  t.Wait(Duration::Seconds(33));
  t.ExpectEvent(Kind::kConnectFailed, TcpError::kTimeout);
  EXPECT_EQ(t.tcp().conn_count(), 0u);
}

TEST(TcpHandshake, ConnectDeadlineEndsTheOpen) {
  Script t;
  t.StartConnect(t.now() + Duration::Millis(250));
  t.Expect(Syn());
  t.Wait(Duration::Millis(240));
  t.ExpectNoEvent();
  t.Wait(Duration::Millis(20));
  t.ExpectEvent(Kind::kConnectFailed, TcpError::kTimeout);
}

TEST(TcpHandshake, SynSentRstWithOurAckMeansRefused) {
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Peer(Rst(0).Acking(1));
  t.ExpectEvent(Kind::kConnectFailed, TcpError::kRefused);
}

TEST(TcpHandshake, SynSentIgnoresRstWithoutTheRightAck) {
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Peer(Rst(0));
  t.Peer(Rst(0).Acking(2));
  t.ExpectNoEvent();
  t.ExpectNothing();
  t.Abort();
}

TEST(TcpHandshake, SynSentAnswersAWrongAckWithRst) {
  // 3.10.7.3: <SEQ=SEG.ACK><CTL=RST>; an old duplicate must not connect us (3.5, figure 8).
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Peer(SynAck(77));
  t.Expect(Rst(77));
  t.ExpectNoEvent();
  t.Peer(SynAck(1));
  t.Expect(Ack(1).At(1));
  t.ExpectEvent(Kind::kConnected);
}

TEST(TcpHandshake, SynSentIgnoresASegmentWithoutSyn) {
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Peer(Ack(1).At(1));
  t.ExpectNothing();
  t.ExpectNoEvent();
  EXPECT_EQ(t.counters().drop_syn_sent, 1u);
  t.Abort();
}

TEST(TcpHandshake, SimultaneousOpenConnects) {
  // RFC 9293 3.5, figure 7.
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.Peer(SynAck(1));
  t.ExpectEvent(Kind::kConnected);
  t.IgnoreOutput();
  t.Peer(Data(1, 10).Acking(1));
  t.Expect(Ack(11));
  EXPECT_EQ(t.received(), 10u);
}

TEST(TcpHandshake, RepeatedSynGetsTheSynAckAgain) {
  Script t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  EXPECT_EQ(t.tcp().conn_count(), 1u);
}

TEST(TcpHandshake, TheSameSynTwiceInOneBurstMakesOneConnection) {
  Script t;
  t.PeerBurst({Syn().Mss(1460), Syn().Mss(1460)});
  t.Expect(SynAck());
  EXPECT_EQ(t.tcp().conn_count(), 1u);
}

TEST(TcpHandshake, SynAckIsRepeatedAndTheHalfOpenConnectionEnds) {
  Script t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  for (int seconds : {1, 2, 4, 8, 16}) {
    t.Wait(Duration::Seconds(seconds) + Duration::Millis(10));
    t.Expect(SynAck());
  }
  t.Wait(Duration::Seconds(40));
  t.ExpectNothing();
  t.ExpectNoEvent();
  EXPECT_EQ(t.tcp().conn_count(), 0u);
  EXPECT_EQ(t.counters().accept_failures, 1u);
}

TEST(TcpHandshake, SynReceivedWrongAckIsAnsweredWithRst) {
  Script t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.Peer(Ack(99).At(1));
  t.Expect(Rst(99));
  t.ExpectNoEvent();
}

TEST(TcpHandshake, SynReceivedRstReturnsToListen) {
  Script t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.Peer(Rst(1));
  t.ExpectNoEvent();
  EXPECT_EQ(t.tcp().conn_count(), 0u);
}

TEST(TcpHandshake, AcceptAndResetInOneBurstLeaveADeadIdThatIsSafe) {
  // The events of one burst are handled after the connection has died: stale ids must do no harm.
  Script t;
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.PeerBurst({Ack(1).At(1), Rst(1)});
  t.ExpectEvent(Kind::kAccepted);
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
  t.tcp().SetCookie(t.id, 5);
  EXPECT_EQ(t.tcp().tuple(t.id), FourTuple{});
  t.Finish();
  t.Release();
  t.Abort();
  t.Consumed(1);
}

TEST(TcpHandshake, ClosedPortIsAnsweredWithRst) {
  // 3.10.7.1: SYN -> <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>; ACK -> <SEQ=SEG.ACK><CTL=RST>.
  Script t({.listening = false});
  t.Peer(Syn());
  t.Expect(Rst(0).Acking(1));
  t.Peer(Ack(1234).At(1));
  t.Expect(Rst(1234));
  t.Peer(Rst(1));
  t.ExpectNothing();
}

TEST(TcpHandshake, FullTableRefusesConnect) {
  Script t({.tcp = {.conn_count_max = 1}});
  t.Accept();
  EXPECT_FALSE(t.tcp()
                   .Connect({t.tuple().remote, t.tuple().local}, {}, 0, Instant::Never(), t.now())
                   .valid());
  EXPECT_EQ(t.counters().conn_table_full, 1u);
}

TEST(TcpHandshake, ConnectOnAUsedTupleIsRefused) {
  Script t;
  t.Accept();
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
  EXPECT_FALSE(t.tcp().Connect(t.tuple(), {}, 0, Instant::Never(), t.now()).valid());
}

TEST(TcpHandshake, HardIcmpEndsOnlyAnOpenInProgress) {
  // RFC 5461 4.1.
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Icmp(500, true, 0);  // not in flight: RFC 5927 4.1
  t.ExpectNoEvent();
  t.Icmp(0, true, 0);
  t.ExpectEvent(Kind::kConnectFailed, TcpError::kUnreachable);
}

TEST(TcpHandshake, HardIcmpOnAnEstablishedConnectionIsSoft) {
  Script t;
  t.Accept();
  t.Send(100);
  t.Expect(Data(1, 100));
  t.Icmp(1, true, 0);
  t.ExpectNoEvent();
  EXPECT_EQ(t.counters().icmp_soft_errors, 1u);
}

TEST(TcpHandshake, WrongChecksumIsDroppedUnlessTrusted) {
  Script t;
  t.Peer(Syn().BadChecksum());
  t.ExpectNothing();
  EXPECT_EQ(t.counters().drop_checksum, 1u);
}

}  // namespace
}  // namespace meltemi::tcp::testing
