// SYN cookies, RFC 4987 3.6: the arithmetic, then whole handshakes over a full SYN queue.
#include "dataplane/tcp/syn_cookie.h"

#include <gtest/gtest.h>

#include "dataplane/tcp/testing/crowd.h"
#include "dataplane/tcp/testing/script.h"

namespace meltemi::tcp::testing {
namespace {

using Kind = TcpEvent::Kind;

const FourTuple kTuple{{IpAddr::V4(1), 80}, {IpAddr::V4(2), 1000}};
const Instant kStart = Instant::FromNanos(0) + SynCookies::kPeriod * 100;

TEST(SynCookie, IsTakenBackUnchangedAndGivesTheMssRoundedDown) {
  const SynCookies cookies({1, 2, 3});
  const struct {
    uint16_t mss, kept;
  } rows[] = {{1, 64},      {64, 64},     {535, 64},    {536, 536},   {1219, 536},   {1220, 1220},
              {1459, 1440}, {1460, 1460}, {8939, 1460}, {8940, 8940}, {65'535, 8940}};
  for (const auto& row : rows) {
    const uint32_t isn = cookies.Isn(kTuple, 77, row.mss, 5, kStart);
    EXPECT_EQ(cookies.Check(kTuple, 77, isn, 5, kStart), row.kept) << row.mss;
  }
}

TEST(SynCookie, OfAnotherTupleNumberOptionsOrSecretIsNone) {
  const SynCookies cookies({1, 2, 3});
  const uint32_t isn = cookies.Isn(kTuple, 77, 1460, 5, kStart);
  FourTuple other = kTuple;
  other.remote.port = 1001;
  EXPECT_FALSE(cookies.Check(other, 77, isn, 5, kStart));
  EXPECT_FALSE(cookies.Check(kTuple, 78, isn, 5, kStart));
  EXPECT_FALSE(cookies.Check(kTuple, 77, isn + 1, 5, kStart));
  EXPECT_FALSE(cookies.Check(kTuple, 77, isn, 6, kStart));
  EXPECT_FALSE(cookies.Check(kTuple, 77, isn, std::nullopt, kStart));
  EXPECT_FALSE(SynCookies({1, 2, 4}).Check(kTuple, 77, isn, 5, kStart));
}

TEST(SynCookie, LivesUntilTheNextPeriodEnds) {
  // Made at a period's first and last instant: good for 128 s and for 64 s.
  const SynCookies cookies({1, 2, 3});
  const Duration tick = Duration::Nanos(1);
  for (const Instant made : {kStart, kStart + SynCookies::kPeriod - tick}) {
    const uint32_t isn = cookies.Isn(kTuple, 77, 1460, 5, made);
    const Instant end = kStart + SynCookies::kPeriod * 2;
    EXPECT_TRUE(cookies.Check(kTuple, 77, isn, 5, end - tick));
    EXPECT_FALSE(cookies.Check(kTuple, 77, isn, 5, end));
    EXPECT_FALSE(cookies.Check(kTuple, 77, isn, 5, end + SynCookies::kPeriod * 30));  // 5 bits
  }
}

TEST(SynCookie, GuessesAreRightOnceInSixteenMillion) {
  const SynCookies cookies({1, 2, 3});
  Prng prng(1);
  int right = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto guess = static_cast<uint32_t>(prng.Next());
    if (cookies.Check(kTuple, 77, guess, std::nullopt, kStart)) ++right;
  }
  EXPECT_EQ(right, 0);
}

TEST(SynCookie, LaterSegmentsAreKnownByHalfOfIt) {
  // Whatever their own number is; of another tuple, of what follows the cookie, and of a period
  // that has ended none is.
  const SynCookies cookies({1, 2, 3});
  const uint32_t isn = cookies.Isn(kTuple, 77, 1460, 5, kStart);
  const Instant end = kStart + SynCookies::kPeriod * 2;
  EXPECT_TRUE(cookies.MayBeOurs(kTuple, isn, 5, kStart));
  EXPECT_TRUE(cookies.MayBeOurs(kTuple, isn, 5, end - Duration::Nanos(1)));
  EXPECT_FALSE(cookies.MayBeOurs(kTuple, isn, 5, end));
  EXPECT_FALSE(cookies.MayBeOurs(kTuple, isn, 6, kStart));
  EXPECT_FALSE(cookies.MayBeOurs(kTuple, isn + 1, 5, kStart));
  EXPECT_FALSE(cookies.MayBeOurs({kTuple.remote, kTuple.local}, isn, 5, kStart));
  // Of 2^20 other numbers 16 are to be expected.
  Prng prng(1);
  int taken = 0;
  for (int i = 0; i < 1 << 20; ++i) {
    taken += cookies.MayBeOurs(kTuple, static_cast<uint32_t>(prng.Next()), 5, kStart) ? 1 : 0;
  }
  EXPECT_GT(taken, 4);
  EXPECT_LT(taken, 32);
}

TEST(SynCookie, TimestampCarriesScaleSackAndEcnAndIsNeverAhead) {
  for (int scale = -1; scale <= 14; ++scale) {
    for (int flags = 0; flags < 4; ++flags) {
      Options syn;
      if (scale >= 0) syn.window_scale = static_cast<uint8_t>(scale);
      syn.sack_permitted = (flags & 1) != 0;
      const uint8_t bits = SynCookies::PackOptions(syn, (flags & 2) != 0);
      for (const uint32_t clock : {0u, 63u, 64u, 1'000'001u, 0xffff'ffffu}) {
        const uint32_t stamp = SynCookies::Stamp(clock, bits);
        EXPECT_TRUE(SeqLessEq(stamp, clock) && clock - stamp < 64);
        Options back;
        EXPECT_EQ(SynCookies::UnpackOptions(stamp & 63, &back), (flags & 2) != 0);
        EXPECT_EQ(back.window_scale, syn.window_scale);
        EXPECT_EQ(back.sack_permitted, syn.sack_permitted);
      }
    }
  }
}

// No queue at all: every handshake is by cookie.
ScriptOptions AllByCookie() {
  ScriptOptions o;
  o.tcp.syn_queue_max = 0;
  return o;
}

TEST(SynCookieHandshake, BareSynOpensWithMssOnly) {
  Script t(AllByCookie());
  t.Peer(Syn().Mss(1000).Scale(7).SackOk());
  const Seg got = t.PopSent();
  EXPECT_EQ(got.flags, kSyn | kAck);
  EXPECT_EQ(got.mss, 1460);
  // Without timestamps there is no place to remember these.
  EXPECT_FALSE(got.window_scale.has_value());
  EXPECT_EQ(got.sack_permitted, false);
  EXPECT_EQ(t.tcp().conn_count(), 0u);
  t.Peer(Ack(1).At(1));
  t.ExpectEvent(Kind::kAccepted);
  EXPECT_EQ(t.counters().syn_cookies_out, 1u);
  EXPECT_EQ(t.counters().syn_cookies_in, 1u);
  t.Send(2000);
  t.Expect(Data(1, 536));  // 1000 is between two of the table
  t.IgnoreOutput();
}

TEST(SynCookieHandshake, TimestampsBringScaleAndSackBack) {
  Script t(AllByCookie());
  t.Peer(Syn().Mss(1460).Scale(4).SackOk().Ts(777, 0));
  const Seg got = t.PopSent();
  EXPECT_EQ(got.window_scale, 7);
  EXPECT_EQ(got.sack_permitted, true);
  EXPECT_EQ(got.timestamps->echo, 777u);
  const uint32_t stamp = got.timestamps->value;
  t.Peer(Ack(1).At(1).Window(1000).Ts(778, stamp));
  t.ExpectEvent(Kind::kAccepted);
  // Scale: the peer's window is 16 000 bytes, not 1000. Timestamps and SACK are on.
  t.Send(14'480);
  for (uint32_t i = 0; i < 10; ++i) t.Expect(Data(1 + i * 1448, 1448));
  t.Peer(Data(101, 100).Ts(779, stamp));
  const Seg ack = t.PopSent();
  EXPECT_EQ(ack.sack, (std::vector<SeqRange>{{101, 201}}));
  EXPECT_TRUE(SeqLessEq(stamp, ack.timestamps->value));
}

TEST(SynCookieHandshake, DataWithTheThirdSegmentIsTaken) {
  Script t(AllByCookie());
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.PeerBurst({Data(1, 100).Acking(1), Data(101, 100).Acking(1)});
  t.ExpectEvent(Kind::kAccepted);
  EXPECT_EQ(t.received(), 200u);
  t.Expect(Ack(201).At(1));
}

TEST(SynCookieHandshake, WrongOrLateAckIsAnsweredWithRst) {
  Script t(AllByCookie());
  t.Peer(Syn().Mss(1460));
  t.Expect(SynAck());
  t.Peer(Ack(2).At(1));
  t.Expect(Rst(2));
  EXPECT_EQ(t.counters().syn_cookies_invalid, 1u);
  t.Wait(SynCookies::kLifeMax);
  t.Peer(Ack(1).At(1));
  t.Expect(Rst(1));
  t.ExpectNoEvent();
  EXPECT_EQ(t.tcp().conn_count(), 0u);
}

TEST(SynCookieHandshake, NoCookieOutNoAckIsTried) {
  Script t;
  t.Peer(Ack(1).At(1));
  t.Expect(Rst(1));
  EXPECT_EQ(t.counters().syn_cookies_invalid, 0u);
}

TEST(SynCookieHandshake, FullTableDropsTheAckAndTheNextOneAsksAgain) {
  Crowd crowd({.conn_count_max = 1, .syn_queue_max = 0});
  const auto first = crowd.Open(Crowd::Peer(1), 100);
  ASSERT_TRUE(first);
  crowd.From(Crowd::Peer(2), {.flags = kSyn, .seq = 200});
  const std::vector<Heard> heard = crowd.Take();
  ASSERT_EQ(heard.size(), 1u);
  const Say third{.flags = kAck, .seq = 201, .ack = heard[0].seq + 1};
  crowd.From(Crowd::Peer(2), third);
  EXPECT_TRUE(crowd.Take().empty());
  EXPECT_EQ(crowd.counters().conn_table_full, 1u);
  crowd.tcp().Abort(first->id, crowd.now());
  crowd.From(Crowd::Peer(2), third);
  EXPECT_EQ(crowd.counters().syn_cookies_in, 2u);
}

// Half-open connections below, at and above the bound.
TEST(SynCookieHandshake, CookiesBeginWhenTheQueueIsFull) {
  constexpr uint32_t kQueue = 8;
  Crowd crowd({.conn_count_max = 64, .syn_queue_max = kQueue});
  for (uint32_t n = 0; n < kQueue; ++n) crowd.From(Crowd::Peer(n), {.flags = kSyn, .seq = n});
  EXPECT_EQ(crowd.tcp().half_open_count(), kQueue);
  EXPECT_EQ(crowd.counters().syn_cookies_out, 0u);
  EXPECT_TRUE(crowd.Open(Crowd::Peer(100), 1000));
  EXPECT_EQ(crowd.counters().syn_cookies_out, 1u);
  EXPECT_EQ(crowd.counters().syn_cookies_in, 1u);
  EXPECT_EQ(crowd.tcp().half_open_count(), kQueue);
}

// A SYN comes twice: the first is answered with a cookie, which the peer takes, the second finds
// room in the queue. `options`: with timestamps, or none.
void SynTwice(const Options& options) {
  Crowd crowd({.conn_count_max = 8, .syn_queue_max = 1});
  crowd.From(Crowd::Peer(1), {.flags = kSyn, .seq = 100});
  crowd.Take();
  const Say syn{.flags = kSyn, .seq = 200, .options = options};
  crowd.From(Crowd::Peer(2), syn);
  const std::vector<Heard> cookie = crowd.Take();
  ASSERT_EQ(cookie.size(), 1u);
  ASSERT_EQ(crowd.counters().syn_cookies_out, 1u);
  crowd.From(Crowd::Peer(1), {.flags = kRst, .seq = 101});
  crowd.From(Crowd::Peer(2), syn);
  const std::vector<Heard> other = crowd.Take();
  ASSERT_EQ(other.size(), 1u);
  ASSERT_NE(other[0].seq, cookie[0].seq);
  ASSERT_EQ(crowd.tcp().half_open_count(), 1u);

  Say ack{.flags = kAck, .seq = 201, .ack = cookie[0].seq + 1, .text_bytes = 100};
  if (options.timestamps)
    ack.options.timestamps = Timestamps{2, cookie[0].options.timestamps->value};
  Say later = ack;  // has overtaken it
  later.seq += 100;
  crowd.From(Crowd::Peer(2), later);
  EXPECT_EQ(crowd.counters().syn_cookies_in, 1u);
  EXPECT_EQ(crowd.tcp().half_open_count(), 0u);
  crowd.From(Crowd::Peer(2), ack);
  EXPECT_EQ(crowd.received(), 200u);
  const std::vector<Heard> heard = crowd.Take();
  ASSERT_FALSE(heard.empty());
  for (const Heard& h : heard) EXPECT_EQ(h.flags & (kRst | kSyn), 0);
  EXPECT_EQ(heard.back().seq, cookie[0].seq + 1);
  EXPECT_EQ(heard.back().ack, 401u);
  // Nothing of the other handshake is left to be sent again.
  crowd.Wait(Duration::Seconds(10));
  EXPECT_TRUE(crowd.Take().empty());
  crowd.tcp().CheckInvariants();
}

TEST(SynCookieHandshake, ACookieTakenWinsOverAHalfOpenConnection) {
  SynTwice({});
  Options full;
  full.mss = 1460;
  full.window_scale = 3;
  full.sack_permitted = true;
  full.timestamps = Timestamps{1, 0};
  SynTwice(full);
}

TEST(SynCookieHandshake, AWrongAckOfAHalfOpenConnectionGetsRst) {
  Crowd crowd({.conn_count_max = 8, .syn_queue_max = 1});
  crowd.From(Crowd::Peer(1), {.flags = kSyn, .seq = 100});
  crowd.From(Crowd::Peer(2), {.flags = kSyn, .seq = 100});  // a cookie is out
  crowd.Take();
  crowd.From(Crowd::Peer(1), {.flags = kAck, .seq = 101, .ack = 77});
  const std::vector<Heard> heard = crowd.Take();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].flags, kRst);
  EXPECT_EQ(crowd.tcp().half_open_count(), 1u);
}

// A connection by cookie whose third segment carries 100 bytes: that segment.
Say OpenByCookie(Crowd* crowd, const SockAddr& peer) {
  crowd->From(peer, {.flags = kSyn, .seq = 200});
  const std::vector<Heard> heard = crowd->Take();
  EXPECT_EQ(heard.size(), 1u);
  const Say third{.flags = kAck, .seq = 201, .ack = heard[0].seq + 1, .text_bytes = 100};
  crowd->From(peer, third);
  crowd->Take();
  return third;
}

// The peer ends, then we do.
void CloseInOrder(Crowd* crowd, const SockAddr& peer, const Say& third, TcpId id) {
  crowd->From(peer, {.flags = kFin | kAck, .seq = third.seq + 100, .ack = third.ack});
  crowd->tcp().Finish(id, crowd->now());
  crowd->Wait(Duration::Millis(1));
  crowd->From(peer, {.flags = kAck, .seq = third.seq + 101, .ack = third.ack + 1});
  crowd->Take();
}

TEST(SynCookieReplay, TwiceIsADuplicate) {
  Crowd crowd({.conn_count_max = 4, .syn_queue_max = 0});
  const Say third = OpenByCookie(&crowd, Crowd::Peer(1));
  crowd.From(Crowd::Peer(1), third);
  EXPECT_EQ(crowd.received(), 100u);
  EXPECT_EQ(crowd.tcp().conn_count(), 1u);
  EXPECT_EQ(crowd.counters().syn_cookies_in, 1u);
}

TEST(SynCookieReplay, AfterAnEndInOrderOpensNothing) {
  // For as long as the cookie is good, however often; then it is not good any more.
  Crowd crowd({.conn_count_max = 4, .syn_queue_max = 0});
  const Say third = OpenByCookie(&crowd, Crowd::Peer(1));
  CloseInOrder(&crowd, Crowd::Peer(1), third, crowd.accepted(Crowd::Peer(1)));
  ASSERT_EQ(crowd.tcp().conn_count(), 0u);
  for (int second = 0; second < 300; ++second) {
    crowd.From(Crowd::Peer(1), third);
    ASSERT_EQ(crowd.tcp().conn_count(), 0u) << second;
    ASSERT_LE(crowd.Take().size(), 1u);
    crowd.Wait(Duration::Seconds(1));
  }
  EXPECT_EQ(crowd.received(), 100u);
  EXPECT_EQ(crowd.counters().syn_cookies_in, 1u);
}

TEST(SynCookieReplay, AfterAResetIsReset) {
  Crowd crowd({.conn_count_max = 4, .syn_queue_max = 0});
  const Say third = OpenByCookie(&crowd, Crowd::Peer(1));
  crowd.tcp().Abort(crowd.accepted(Crowd::Peer(1)), crowd.now());
  crowd.Wait(Duration::Millis(1));
  crowd.Take();
  for (int second = 0; second < 300; ++second) {
    crowd.From(Crowd::Peer(1), third);
    ASSERT_EQ(crowd.tcp().conn_count(), 0u) << second;
    const std::vector<Heard> heard = crowd.Take();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].flags, kRst);
    crowd.Wait(Duration::Seconds(1));
  }
}

TEST(SynCookieReplay, FromAnotherTupleIsNone) {
  Crowd crowd({.conn_count_max = 4, .syn_queue_max = 0});
  const Say third = OpenByCookie(&crowd, Crowd::Peer(1));
  for (uint32_t n = 2; n < 1000; ++n) crowd.From(Crowd::Peer(n), third);
  EXPECT_EQ(crowd.tcp().conn_count(), 1u);
  EXPECT_EQ(crowd.received(), 100u);
}

TEST(SynCookieReplay, ANewSynOpensTheTupleAgain) {
  Crowd crowd({.conn_count_max = 4, .syn_queue_max = 0});
  const Say third = OpenByCookie(&crowd, Crowd::Peer(1));
  CloseInOrder(&crowd, Crowd::Peer(1), third, crowd.accepted(Crowd::Peer(1)));
  EXPECT_TRUE(crowd.Open(Crowd::Peer(1), 100'000));
}

TEST(SynCookieReplay, IsGuardedByTheTimeWaitTableAndNoMore) {
  // Its bound is that of connections; the oldest gives way. So many later ones may end.
  constexpr uint32_t kConns = 4;
  for (const uint32_t later : {kConns - 1, kConns, kConns + 1}) {
    Crowd crowd({.conn_count_max = kConns, .syn_queue_max = 0});
    std::vector<Say> thirds;
    for (uint32_t n = 0; n <= later; ++n) {
      thirds.push_back(OpenByCookie(&crowd, Crowd::Peer(n)));
      CloseInOrder(&crowd, Crowd::Peer(n), thirds[n], crowd.accepted(Crowd::Peer(n)));
    }
    crowd.From(Crowd::Peer(0), thirds[0]);
    EXPECT_EQ(crowd.tcp().conn_count(), later < kConns ? 0u : 1u) << later;
  }
}

}  // namespace
}  // namespace meltemi::tcp::testing
