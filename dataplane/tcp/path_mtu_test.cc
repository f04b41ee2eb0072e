// Path MTU: ICMP by RFC 1191, 8201 and 5927, what is remembered and for how long, and black holes.
#include "dataplane/tcp/path_mtu.h"

#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"

namespace meltemi::tcp::testing {
namespace {

constexpr uint16_t kMss = 1460;

TEST(PathMtuCache, ForgetsWhenTheTimeComes) {
  PathMtuCache cache({1});
  const Instant now = Instant::FromNanos(1000);
  EXPECT_EQ(cache.Find(IpAddr::V4(1), now), 0);
  cache.Note(IpAddr::V4(1), 1000, now + Duration::Nanos(10));
  EXPECT_EQ(cache.Find(IpAddr::V4(1), now + Duration::Nanos(9)), 1000);
  EXPECT_EQ(cache.Find(IpAddr::V4(1), now + Duration::Nanos(10)), 0);
  EXPECT_EQ(cache.Find(IpAddr::V4(2), now), 0);
}

TEST(PathMtuCache, IsBounded) {
  PathMtuCache cache({1});
  const Instant now;
  constexpr uint32_t kNoted = 10 * limits::kTcpPathMtuCount;
  uint32_t found = 0;
  for (uint32_t i = 0; i < kNoted; ++i) cache.Note(IpAddr::V4(i), 1000, Instant::Never());
  for (uint32_t i = 0; i < kNoted; ++i) found += cache.Find(IpAddr::V4(i), now) != 0 ? 1 : 0;
  EXPECT_LE(found, limits::kTcpPathMtuCount);
  EXPECT_GT(found, limits::kTcpPathMtuCount / 2);
}

TEST(TcpPathMtu, Rfc1191And8201FloorsAreKept) {
  // Below, at and above what is believed. An attacker's 68 would make 30 packets of one.
  const struct {
    bool ipv6;
    uint32_t mtu, mss;
  } rows[] = {{false, 68, 512},   {false, 551, 512},  {false, 552, 512}, {false, 553, 513},
              {true, 1279, 1220}, {true, 1280, 1220}, {true, 1281, 1221}};
  for (const auto& row : rows) {
    Script t({.ipv6 = row.ipv6});
    t.Accept(Syn().Mss(1440).Window(65535));
    t.Send(1440);
    t.Expect(Data(1, 1440));
    t.Icmp(1, false, row.mtu);
    t.Expect(Data(1, row.mss));
    t.IgnoreOutput();
  }
}

TEST(TcpPathMtu, Rfc5927OnlyWhatIsInFlightIsBelieved) {
  Script t;
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(2 * kMss);
  t.IgnoreOutput();
  t.Peer(Ack(1 + kMss));
  t.Icmp(kMss, false, 1000);          // snd.una - 1
  t.Icmp(1 + 2 * kMss, false, 1000);  // snd.nxt
  t.ExpectNothing();
  EXPECT_EQ(t.counters().icmp_ignored, 2u);
  t.Icmp(2 * kMss, false, 1000);  // snd.nxt - 1
  EXPECT_EQ(t.counters().icmp_too_big, 1u);
  t.IgnoreOutput();
}

TEST(TcpPathMtu, Rfc1191LongerSegmentsAreTriedAgainAfterTenMinutes) {
  Script t;
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(kMss);
  t.Expect(Data(1, kMss));
  t.Icmp(1, false, 1000);
  t.IgnoreOutput();
  t.Peer(Ack(1 + kMss));
  t.Wait(limits::kTcpPathMtuLifetime - Duration::Seconds(2));
  t.Peer(Data(1, 1));
  t.IgnoreOutput();
  t.Send(kMss);
  t.Expect(Data(1 + kMss, 960));
  t.Expect(Data(1 + kMss + 960, 500));
  t.Peer(Ack(1 + 2 * kMss));
  t.Wait(Duration::Seconds(4));
  t.Peer(Data(2, 1));
  t.IgnoreOutput();
  EXPECT_EQ(t.counters().mtu_raised, 1u);
  t.Send(kMss);
  t.Expect(Data(1 + 2 * kMss, kMss));
}

TEST(TcpPathMtu, TheNextConnectionThereKnows) {
  Script t({.hostile = true});
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(kMss);
  t.Icmp(1, false, 1000);
  t.IgnoreOutput();
  t.Abort();
  t.IgnoreOutput();
  t.Peer(Syn().Mss(kMss).Window(65535));
  t.Expect(SynAck().Mss(kMss));  // what we can take has not changed
  t.Peer(Ack(1).At(1));
  t.IgnoreEvents();
  t.Send(kMss);
  t.Expect(Data(1, 960));
  t.Expect(Data(961, 500));
}

TEST(TcpPathMtu, BlackHoleIsLeftByShorterSegments) {
  // Timeouts at 0.2, 0.6, 1.4, 3, 6.2 and 12.6 s; the third lowers to 1024, the sixth to 536.
  Script t;
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(kMss);
  t.Expect(Data(1, kMss));
  t.Wait(Duration::Millis(650));
  t.Expect(Data(1, kMss));
  t.Expect(Data(1, kMss));
  EXPECT_EQ(t.counters().black_holes, 0u);
  t.Wait(Duration::Millis(800));
  t.Expect(Data(1, 1024));
  EXPECT_EQ(t.counters().black_holes, 1u);
  t.Wait(Duration::Millis(5000));
  t.Expect(Data(1, 1024));
  t.Expect(Data(1, 1024));
  t.Wait(Duration::Seconds(7));
  t.Expect(Data(1, 536));
  EXPECT_EQ(t.counters().black_holes, 2u);
  t.Peer(Ack(537));
  t.Expect(Data(537, 536));
  t.Expect(Data(1073, 388));
  t.Peer(Ack(1 + kMss));
  t.ExpectNoEvent();
}

TEST(TcpPathMtu, BlackHoleOverIpv6EndsAtTheLeastMtu) {
  Script t({.ipv6 = true});
  t.Accept(Syn().Mss(1440).Window(65535));
  t.Send(1440);
  t.Expect(Data(1, 1440));
  t.Wait(Duration::Seconds(20));
  t.Expect(Data(1, 1440));
  t.Expect(Data(1, 1440));
  for (int i = 0; i < 4; ++i) t.Expect(Data(1, 1220));
  EXPECT_EQ(t.counters().black_holes, 1u);
}

TEST(TcpPathMtu, ShortSegmentsAreNoSignOfABlackHole) {
  Script t;
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(536);
  t.Wait(Duration::Seconds(20));
  t.IgnoreOutput();
  EXPECT_EQ(t.counters().black_holes, 0u);
}

TEST(TcpPathMtu, ABlackHoleIsOneConnectionsOwn) {
  // A peer that sleeps must not cost the others.
  Script t({.hostile = true});
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(kMss);
  t.Wait(Duration::Seconds(2));
  EXPECT_EQ(t.counters().black_holes, 1u);
  t.Abort();
  t.IgnoreOutput();
  t.Accept(Syn().Mss(kMss).Window(65535));
  t.Send(kMss);
  t.Expect(Data(1, kMss));
}

}  // namespace
}  // namespace meltemi::tcp::testing
