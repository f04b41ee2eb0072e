// Ending a connection: RFC 9293 3.6, 3.10.4, 3.10.5, 3.10.7.4 (eighth); RST by RFC 5961; TIME-WAIT
// by 6191 and 1337.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"

namespace meltemi::tcp::testing {
namespace {

using Kind = TcpEvent::Kind;

TEST(TcpClose, ActiveCloseWalksFinWaitToTimeWait) {
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.ExpectNoEvent();
  t.Peer(Fin(1));
  t.Expect(Ack(2).At(2));
  t.ExpectEvent(Kind::kEof);
  t.ExpectEvent(Kind::kClosed);
  EXPECT_EQ(t.tcp().conn_count(), 0u);
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
  t.Wait(Duration::Seconds(61));
  EXPECT_FALSE(t.tcp().InUse(t.tuple()));
}

TEST(TcpClose, PassiveCloseWalksCloseWaitToLastAck) {
  Script t;
  t.Accept();
  t.Peer(Fin(1));
  t.ExpectEvent(Kind::kEof);
  t.Expect(Ack(2).At(1));
  t.Finish();
  t.Expect(Fin(1).Acking(2));
  t.ExpectNoEvent();
  t.Peer(Ack(2));
  t.ExpectEvent(Kind::kClosed);
  EXPECT_FALSE(t.tcp().InUse(t.tuple()));
}

TEST(TcpClose, SimultaneousCloseGoesThroughClosing) {
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1).Acking(1));  // it has not seen ours
  t.ExpectEvent(Kind::kEof);
  t.Expect(Ack(2).At(2));
  t.ExpectNoEvent();
  t.Peer(Ack(2));
  t.ExpectEvent(Kind::kClosed);
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
  t.IgnoreOutput();
}

TEST(TcpClose, FinAndAckOfOursInOneSegment) {
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1).Acking(2));
  t.Expect(Ack(2).At(2));
  t.ExpectEvent(Kind::kEof);
  t.ExpectEvent(Kind::kClosed);
}

TEST(TcpClose, HalfCloseStillReceives) {
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.Peer(Data(1, 500));
  EXPECT_EQ(t.received(), 500u);
  t.Expect(Ack(501).At(2));
  t.Wait(Duration::Seconds(600));  // no FIN-WAIT-2 timeout while we want its bytes
  t.Peer(Data(501, 500));
  EXPECT_EQ(t.received(), 1000u);
  t.Expect(Ack(1001));
}

TEST(TcpClose, HalfClosedPeerStillGetsOurBytes) {
  Script t;
  t.Accept();
  t.Peer(Fin(1));
  t.ExpectEvent(Kind::kEof);
  t.Expect(Ack(2));
  t.Send(1000);
  t.Expect(Data(1, 1000));
  t.Peer(Ack(1001));
  t.Finish();
  t.Expect(Fin(1001));
}

TEST(TcpClose, FinRidesOnTheLastData) {
  Script t;
  t.Accept();
  t.Send(10);
  t.Expect(Data(1, 10));
  t.Peer(Ack(11));
  // Queued together they leave together.
  Chain bytes;
  ASSERT_TRUE(AppendCopy(&t.pool(), std::string(1, ByteAt(10)), &bytes));
  t.tcp().Send(t.id, std::move(bytes), t.now());
  t.Finish();
  t.Expect(Data(11, 1).With(kFin | kPsh));
}

TEST(TcpClose, FinIsRepeatedUntilAcknowledged) {
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Wait(Duration::Seconds(2));
  EXPECT_GE(t.sent_count(), 1u);
  t.Expect(Fin(1));
  t.IgnoreOutput();
  t.Peer(Ack(2));
  t.Wait(Duration::Seconds(100));
  t.ExpectNothing();
}

TEST(TcpClose, FinOutOfOrderWaitsForTheHole) {
  Script t;
  t.Accept();
  t.Peer(Fin(101));
  t.Expect(Ack(1));
  t.ExpectNoEvent();
  t.Peer(Data(1, 100));
  EXPECT_EQ(t.received(), 100u);
  t.ExpectEvent(Kind::kEof);
  t.Expect(Ack(102));
}

TEST(TcpClose, RepeatedFinIsAcknowledgedAgain) {
  Script t;
  t.Accept();
  t.Peer(Fin(1));
  t.ExpectEvent(Kind::kEof);
  t.Expect(Ack(2));
  t.Peer(Fin(1));
  t.Expect(Ack(2));
  t.ExpectNoEvent();
}

TEST(TcpClose, TimeWaitAcknowledgesARepeatedFin) {
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1).Acking(2));
  t.Expect(Ack(2));
  t.Wait(Duration::Seconds(50));
  t.Peer(Fin(1).Acking(2));
  t.Expect(Ack(2).At(2));
  t.Wait(Duration::Seconds(50));  // the wait began anew
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
  t.Wait(Duration::Seconds(11));
  EXPECT_FALSE(t.tcp().InUse(t.tuple()));
}

TEST(TcpClose, TimeWaitDoesNotAnswerAPlainAck) {
  // Two ends in TIME-WAIT must not talk to each other for ever.
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1).Acking(2));
  t.Expect(Ack(2));
  t.Peer(Ack(2).At(2));
  t.ExpectNothing();
}

TEST(TcpClose, TimeWaitIgnoresRst) {
  // RFC 1337.
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1).Acking(2));
  t.Expect(Ack(2));
  t.Peer(Rst(2));
  EXPECT_TRUE(t.tcp().InUse(t.tuple()));
}

TEST(TcpClose, TimeWaitGivesWayToANewerSyn) {
  // RFC 6191 / RFC 9293 3.10.7.4: a sequence number beyond the old ones.
  Script t;
  t.Accept();
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Fin(1).Acking(2));
  t.Expect(Ack(2));
  t.Peer(Syn().At(100'000));
  t.Expect({.flags = kSyn | kAck, .ack = 100'001});
  EXPECT_EQ(t.counters().time_wait_reused, 1u);
  t.Abort();
}

TEST(TcpClose, ReleaseThrowsLateBytesAwayAndEndsQuietly) {
  Script t;
  t.Accept();
  t.Release();
  t.Expect(Fin(1));
  t.Peer(Data(1, 100).Acking(2));
  t.Expect(Ack(101));
  EXPECT_EQ(t.received(), 0u);
  EXPECT_EQ(t.counters().drop_detached_bytes, 100u);
  t.Peer(Fin(101));
  t.Expect(Ack(102));
  EXPECT_EQ(t.tcp().conn_count(), 0u);
  t.ExpectNoEvent();
}

TEST(TcpClose, ReleasedConnectionDoesNotWaitForEverInFinWait2) {
  Script t;
  t.Accept();
  t.Release();
  t.Expect(Fin(1));
  t.Peer(Ack(2));
  t.Wait(Duration::Seconds(59));
  EXPECT_EQ(t.tcp().conn_count(), 1u);
  t.Wait(Duration::Seconds(2));
  EXPECT_EQ(t.tcp().conn_count(), 0u);
  EXPECT_EQ(t.counters().fin_wait_2_timeouts, 1u);
}

TEST(TcpClose, ResetComesAfterAllThatWasQueuedIsAcknowledged) {
  Script t;
  t.Accept();
  t.Send(10);
  t.Expect(Data(1, 10));
  t.Reset();
  t.ExpectNothing();
  t.Peer(Data(1, 5).Acking(1));
  t.Expect(Ack(6).At(11));
  EXPECT_EQ(t.received(), 0u);
  t.Wait(Duration::Millis(250));
  t.Expect(Data(1, 10).Acking(6));  // lost, and sent again
  t.Peer(Ack(11).At(6));
  t.Wait(Duration::Millis(2));
  t.Expect(Rst(11).Acking(6));
  EXPECT_EQ(t.tcp().conn_count(), 0u);
  t.ExpectNoEvent();
}

TEST(TcpClose, ResetWithNothingQueuedIsAbort) {
  Script t;
  t.Accept();
  t.Reset();
  t.Expect(Rst(1).Acking(1));
  EXPECT_EQ(t.tcp().conn_count(), 0u);
}

TEST(TcpClose, AbortSendsRst) {
  Script t;
  t.Accept();
  t.Send(10);
  t.Expect(Data(1, 10));
  t.Abort();
  t.Expect(Rst(11).Acking(1));
  EXPECT_EQ(t.tcp().conn_count(), 0u);
  t.ExpectNoEvent();
}

TEST(TcpClose, AbortInSynSentIsSilent) {
  Script t;
  t.StartConnect();
  t.Expect(Syn());
  t.Abort();
  t.ExpectNothing();
}

TEST(TcpClose, AbortAddressEndsItsConnections) {
  Script t;
  t.Accept();
  t.AbortAddress();
  t.ExpectEvent(Kind::kClosed, TcpError::kUnreachable);
  EXPECT_EQ(t.tcp().conn_count(), 0u);
}

TEST(TcpReset, ExactRstEndsTheConnection) {
  Script t;
  t.Accept();
  t.Peer(Rst(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
  EXPECT_EQ(t.counters().resets_in, 1u);
}

TEST(TcpReset, RstElsewhereInTheWindowIsChallenged) {
  // RFC 5961 3.2.
  Script t;
  t.Accept();
  t.Peer(Rst(2));
  t.Expect(Ack(1).At(1));
  t.ExpectNoEvent();
  EXPECT_EQ(t.counters().challenge_acks, 1u);
}

TEST(TcpReset, RstOutsideTheWindowIsIgnored) {
  Script t;
  t.Accept();
  t.Peer(Rst(0x2000'0000));
  t.ExpectNothing();
  t.ExpectNoEvent();
  EXPECT_EQ(t.counters().drop_rst_out_of_window, 1u);
}

TEST(TcpReset, ChallengeAcksAreLimited) {
  // RFC 5961 7.
  Script t;
  t.Accept();
  for (int i = 0; i < 100; ++i) t.Peer(Rst(2));
  t.Expect(Ack(1));
  t.ExpectNothing();
  EXPECT_EQ(t.counters().challenge_acks_limited, 99u);
  t.Wait(Duration::Millis(600));
  t.Peer(Rst(2));
  t.Expect(Ack(1));
}

TEST(TcpReset, SynOnAnEstablishedConnectionIsChallenged) {
  // RFC 5961 4.2.
  Script t;
  t.Accept();
  t.Peer(Syn().At(1));
  t.Expect(Ack(1).At(1));
  t.ExpectNoEvent();
}

TEST(TcpReset, AckOfWhatWasNeverSentIsChallenged) {
  // RFC 5961 5.2.
  Script t;
  t.Accept();
  t.Peer(Ack(5000).At(1));
  t.Expect(Ack(1).At(1));
  EXPECT_EQ(t.counters().drop_ack_unacceptable, 1u);
}

TEST(TcpReset, VeryOldAckIsNotTakenWithItsText) {
  // RFC 5961 5.2: SEG.ACK < SND.UNA - MAX.SND.WND: blind data injection.
  Script t;
  t.Accept();
  t.Peer(Data(1, 10).Acking(0xe000'0000));
  t.Expect(Ack(1));
  EXPECT_EQ(t.received(), 0u);
}

TEST(TcpReset, RstInLastAckEndsIt) {
  Script t;
  t.Accept();
  t.Peer(Fin(1));
  t.ExpectEvent(Kind::kEof);
  t.Expect(Ack(2));
  t.Finish();
  t.Expect(Fin(1));
  t.Peer(Rst(2));
  EXPECT_EQ(t.tcp().conn_count(), 0u);
}

TEST(TcpReset, SegmentWithoutAckIsDropped) {
  Script t;
  t.Accept();
  Seg bare = Data(1, 10);
  bare.flags = 0;
  t.Peer(bare);
  t.ExpectNothing();
  EXPECT_EQ(t.received(), 0u);
  EXPECT_EQ(t.counters().drop_no_ack, 1u);
}

}  // namespace
}  // namespace meltemi::tcp::testing
