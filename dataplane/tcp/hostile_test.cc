// Random segments into listening, opening and established connections: nothing crashes, leaks or
// spins.
#include <gtest/gtest.h>

#include "dataplane/tcp/testing/script.h"
#include "l7/base/prng.h"

namespace meltemi::tcp::testing {
namespace {

Seg RandomSeg(Prng* prng) {
  Seg s;
  s.flags = prng->Chance(3, 4) ? uint8_t{kAck} : static_cast<uint8_t>(prng->Below(256));
  if (prng->Chance(1, 8)) s.flags |= kFin;
  if (prng->Chance(1, 8)) s.flags |= kEce;
  if (prng->Chance(1, 8)) s.ecn = static_cast<uint8_t>(prng->Below(4));
  // Near the edges more often than anywhere.
  const uint32_t seqs[] = {0, 1, 2, 11, 101, 0x1'0000, 0xffff'ffff, 0x8000'0000};
  if (prng->Chance(1, 2)) {
    s.seq = seqs[prng->Below(8)];
  } else if (prng->Chance(1, 2)) {
    s.seq = static_cast<uint32_t>(prng->Below(5000));
  }
  if (prng->Chance(1, 3)) s.ack = static_cast<uint32_t>(prng->Below(20'000));
  if (prng->Chance(1, 20)) s.ack = seqs[prng->Below(8)];
  if (prng->Chance(1, 2)) s.text_bytes = static_cast<uint32_t>(prng->Below(3000));
  if (prng->Chance(1, 3)) s.window = static_cast<uint16_t>(prng->Below(65'536));
  if (prng->Chance(1, 10)) s.window = 0;
  if (prng->Chance(1, 10)) s.mss = static_cast<uint16_t>(prng->Below(2000));
  if (prng->Chance(1, 2)) s.timestamps = Timestamps{static_cast<uint32_t>(prng->Below(200)), 1};
  if (prng->Chance(1, 4)) {
    s.sack.emplace();
    for (int i = 0; i < 3; ++i) {
      const auto at = static_cast<uint32_t>(prng->Below(30'000));
      s.sack->push_back({at, at + static_cast<uint32_t>(prng->Below(3000))});
    }
  }
  return s;
}

void Act(Script* t, Prng* prng) {
  switch (prng->Below(8)) {
    case 0:
      t->Send(static_cast<uint32_t>(1 + prng->Below(20'000)));
      break;
    case 1:
      t->Wait(Duration::Millis(static_cast<int64_t>(prng->Below(3000))));
      break;
    case 2:
      if (prng->Chance(1, 10)) t->Finish();
      break;
    case 3:
      if (prng->Chance(1, 20)) t->Release();
      break;
    case 4:
      if (prng->Chance(1, 40)) t->Abort();
      break;
    case 5:
      t->Icmp(static_cast<uint32_t>(prng->Below(20'000)), prng->Chance(1, 2),
              prng->Chance(1, 2) ? static_cast<uint32_t>(prng->Below(2000)) : 0);
      break;
    case 6:
      if (prng->Chance(1, 20)) t->StartConnectIfFree();
      break;
    case 7:
      t->Wait(Duration::Millis(1));
      break;
  }
}

TEST(TcpHostile, RandomSegmentsNeverBreakIt) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Prng prng(seed);
    ScriptOptions options;
    options.ipv6 = prng.Chance(1, 2);
    options.hostile = true;
    if (prng.Chance(1, 2)) options.path.super_frame_bytes_max = 65'535;
    if (prng.Chance(1, 2)) options.tcp.congestion = CongestionAlgorithm::kNewReno;
    Script t(options);
    Seg syn = Syn().Window(static_cast<uint16_t>(prng.Below(65'536)));
    if (prng.Chance(1, 2)) syn.mss = static_cast<uint16_t>(prng.Below(3000));
    if (prng.Chance(1, 2)) syn.sack_permitted = true;
    if (prng.Chance(1, 2)) syn.window_scale = static_cast<uint8_t>(prng.Below(16));
    if (prng.Chance(1, 3)) syn.timestamps = Timestamps{100, 0};
    if (prng.Chance(1, 3)) syn.flags |= kEce | kCwr;
    t.Peer(syn);
    Seg ack = Ack(1).At(1);
    if (syn.timestamps) ack.timestamps = Timestamps{100, 1};
    t.Peer(ack);
    for (int step = 0; step < 200; ++step) {
      t.IgnoreOutput();
      t.IgnoreEvents();
      if (prng.Chance(1, 3)) {
        Act(&t, &prng);
      } else {
        t.PeerBurst({RandomSeg(&prng), RandomSeg(&prng)});
      }
      t.tcp().CheckInvariants();
      if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << " step " << step;
    }
    t.IgnoreOutput();
    t.IgnoreEvents();
  }
}

}  // namespace
}  // namespace meltemi::tcp::testing
