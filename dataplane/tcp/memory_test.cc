// Memory: how windows and send queues grow, how they give way, and what a connection costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "dataplane/tcp/conn.h"
#include "dataplane/tcp/memory_budget.h"
#include "dataplane/tcp/testing/crowd.h"
#include "dataplane/tcp/testing/script.h"
#include "dataplane/tcp/time_wait.h"

namespace meltemi::tcp::testing {
namespace {

using Kind = TcpEvent::Kind;
using Level = MemoryBudget::Level;

TEST(ConnMemory, AnIdleConnectionIs320Bytes) {
  // Queues, loss state and reassembly come from pools while they are needed.
  RecordProperty("sizeof_Conn", sizeof(Conn));
  RecordProperty("sizeof_TimeWait", sizeof(TimeWait));
  EXPECT_LE(sizeof(Conn), 320u);
  EXPECT_LE(sizeof(TimeWait), 96u);
}

TEST(MemoryBudget, LevelsBeginAtHalfThreeQuartersAndAll) {
  MemoryBudget m(1000);
  const struct {
    uint64_t held;
    Level level;
  } rows[] = {{0, Level::kPlenty},  {499, Level::kPlenty}, {500, Level::kTight},
              {749, Level::kTight}, {750, Level::kScarce}, {999, Level::kScarce},
              {1000, Level::kFull}, {1001, Level::kFull}};
  for (const auto& row : rows) {
    m.Refund(m.held());
    m.Charge(row.held);
    EXPECT_EQ(m.level(), row.level) << row.held;
  }
}

TEST(MemoryBudget, WindowsShrinkFromTheFirstToTheLeast) {
  MemoryBudget m(1'000'000);
  m.Charge(749'999);
  EXPECT_EQ(m.WindowMax(), limits::kTcpReceiveWindowBytesMax);
  m.Charge(1);
  EXPECT_EQ(m.WindowMax(), limits::kTcpReceiveWindowBytes);
  m.Charge(125'000);
  EXPECT_EQ(m.WindowMax(),
            (limits::kTcpReceiveWindowBytes + limits::kTcpReceiveWindowBytesMin) / 2);
  m.Charge(125'000);
  EXPECT_EQ(m.WindowMax(), limits::kTcpReceiveWindowBytesMin);
  m.Charge(1'000'000);
  EXPECT_EQ(m.WindowMax(), limits::kTcpReceiveWindowBytesMin);
}

TEST(MemoryBudget, SendQueueIsTwiceTheCongestionWindowWithinItsBounds) {
  MemoryBudget m(1'000'000);
  constexpr uint32_t kMin = limits::kTcpSendQueueBytesMin, kMax = limits::kTcpSendQueueBytesMax;
  EXPECT_EQ(m.SendQueueMax(0, 0), kMin);
  EXPECT_EQ(m.SendQueueMax(kMin / 2, 0), kMin);
  EXPECT_EQ(m.SendQueueMax(kMin / 2 + 1, 0), kMin + 2);
  EXPECT_EQ(m.SendQueueMax(kMax / 2, 0), kMax);
  EXPECT_EQ(m.SendQueueMax(UINT32_MAX, 0), kMax);
  // What waits behind a hole is no reason to stop, and none to go on later than without it.
  EXPECT_EQ(m.SendQueueMax(kMin, 1000), 2 * kMin + 1000);
  EXPECT_EQ(m.SendQueueMax(kMax / 2, 1000), kMax);
  EXPECT_EQ(m.SendQueueLow(kMin, 0), kMin);
  EXPECT_EQ(m.SendQueueLow(kMin, 1000), kMin + 1000);
  EXPECT_EQ(m.SendQueueLow(kMax, kMax), kMax / 4 * 3);
  m.Charge(750'000);
  EXPECT_EQ(m.SendQueueMax(kMax, 1000), kMin);
  EXPECT_EQ(m.SendQueueLow(kMax, 1000), kMin / 2);
}

// A peer that fills the window in each round trip of 100 ms; the owner reads at once. What is
// offered after each.
std::vector<uint32_t> WindowsOver(Script* t, int rounds, uint32_t bytes_max, bool timestamps) {
  Seg syn = Syn().Mss(1460).Scale(7).Window(65'535);
  if (timestamps) syn.timestamps = Timestamps{1, 0};
  t->Peer(syn);
  uint32_t echo = timestamps ? t->PopSent().timestamps->value : (t->IgnoreOutput(), 0);
  t->Wait(Duration::Millis(100));
  const auto stamped = [&](Seg s) {
    if (timestamps) s.timestamps = Timestamps{1, echo};
    return s;
  };
  t->Peer(stamped(Ack(1).At(1)));
  t->ExpectEvent(Kind::kAccepted);
  uint32_t window = limits::kTcpReceiveWindowBytes;
  uint32_t at = 1;
  std::vector<uint32_t> windows;
  for (int i = 0; i < rounds; ++i) {
    uint32_t left = std::min(window, bytes_max);
    while (left > 0) {
      const uint32_t n = std::min(left, 14'600u);
      t->Peer(stamped(Data(at, n)));
      at += n;
      left -= n;
    }
    t->Wait(Duration::Millis(100));
    t->Peer(stamped(Data(at++, 1)));  // the next round has begun
    while (t->sent_count() > 0) {
      const Seg ack = t->PopSent();
      window = uint32_t{*ack.window} << 7;
      if (timestamps) echo = ack.timestamps->value;
    }
    windows.push_back(window);
  }
  return windows;
}

TEST(ReceiveWindow, GrowsByWhatIsDeliveredInARoundTripUpToItsMax) {
  for (const bool timestamps : {false, true}) {
    Script t;
    const std::vector<uint32_t> windows = WindowsOver(&t, 8, UINT32_MAX, timestamps);
    uint32_t before = limits::kTcpReceiveWindowBytes;
    for (const uint32_t w : windows) {
      EXPECT_LE(w, limits::kTcpReceiveWindowBytesMax);
      EXPECT_LE(w, before * 4);  // no leap
      before = std::max(before, w);
    }
    EXPECT_GE(windows.back(), limits::kTcpReceiveWindowBytesMax - 2 * 14'600) << timestamps;
    EXPECT_GE(t.counters().windows_grown, 4u);
    EXPECT_EQ(t.tcp().memory_bytes(), 0u);
  }
}

TEST(ReceiveWindow, StaysWhileThePeerHasLittleToSay) {
  Script t;
  const std::vector<uint32_t> windows = WindowsOver(&t, 20, 20'000, true);
  for (const uint32_t w : windows) EXPECT_LE(w, limits::kTcpReceiveWindowBytes);
  EXPECT_EQ(t.counters().windows_grown, 0u);
}

TEST(ReceiveWindow, DoesNotGrowWhenMemoryIsShort) {
  ScriptOptions options;
  options.tcp.memory_bytes_max = 16'000;
  Script t(options);
  // What waits to be sent takes half.
  t.Accept(Syn().Mss(1460).Scale(7).Window(0));
  t.Peer(Ack(1).At(1).Window(0));
  t.Send(8'000);
  for (uint32_t i = 0; i < 40; ++i) {
    t.Peer(Data(1 + i * 14'600, 14'600).Window(0));
    if (i % 10 == 9) t.Wait(Duration::Millis(2));
  }
  t.IgnoreOutput();
  EXPECT_EQ(t.counters().windows_grown, 0u);
  EXPECT_GT(t.counters().windows_not_grown, 0u);
}

TEST(SendQueue, LimitFollowsTheCongestionWindow) {
  Script t;
  t.Accept(Syn().Mss(1460).Scale(7).Window(65'535));
  const auto offer = [&t](uint32_t bytes) {
    Chain chain;
    CHECK(AppendCopy(&t.pool(), std::string(bytes, 'x'), &chain));
    return t.tcp().Send(t.id, std::move(chain), t.now());
  };
  EXPECT_TRUE(offer(limits::kTcpSendQueueBytesMin));
  EXPECT_FALSE(offer(1));
  EXPECT_EQ(t.tcp().memory_bytes(), limits::kTcpSendQueueBytesMin + 1);
  t.Abort();
  t.IgnoreOutput();
  EXPECT_EQ(t.tcp().memory_bytes(), 0u);
}

// 2,000 peers send 40,000 bytes each to owners that do not read, into a tenth of that memory; then
// the owners read and all of it arrives.
class SlowReaders {
 public:
  static constexpr uint32_t kPeers = 2000, kBytes = 40'000, kSegment = 1400;
  static constexpr uint64_t kMemory = 8 * 1024 * 1024;

  SlowReaders() : crowd({.conn_count_max = kPeers, .memory_bytes_max = kMemory}) {
    Options syn;
    syn.mss = 1460;
    syn.window_scale = 7;
    for (uint32_t n = 0; n < kPeers; ++n) {
      const auto link = crowd.Open(Crowd::Peer(n), 5000 * n, syn);
      CHECK(link.has_value());
      senders_[link->peer] = {*link, link->seq, link->seq, link->seq + 65'535, 0};
    }
    crowd.Take();
  }

  // Every peer sends what its window takes, at most 8 segments; acknowledged bytes are not sent
  // again, others after a round without news.
  void Round() {
    std::vector<std::pair<SockAddr, Say>> said;
    for (auto& [peer, s] : senders_) {
      const uint32_t end = s.link.seq + kBytes;
      if (s.una == end) continue;
      if (++s.quiet > 1) s.nxt = s.una;
      for (int i = 0; i < 8 && s.nxt != end && SeqLess(s.nxt, s.edge); ++i) {
        const uint32_t n = std::min({kSegment, end - s.nxt, s.edge - s.nxt});
        said.push_back({peer, {.flags = kAck, .seq = s.nxt, .ack = s.link.ack, .text_bytes = n}});
        s.nxt += n;
      }
    }
    crowd.FromAll(said);
    crowd.Wait(Duration::Millis(100));
    for (const Heard& h : crowd.Take()) {
      Sender& s = senders_[h.to];
      if (SeqLess(s.una, h.ack)) s.quiet = 0;
      s.una = SeqMax(s.una, h.ack);
      s.nxt = SeqMax(s.nxt, s.una);
      s.edge = h.ack + (uint32_t{h.window} << 7);
    }
  }

  Crowd crowd;

 private:
  struct Sender {
    Link link;
    uint32_t una = 0, nxt = 0, edge = 0;
    int quiet = 0;
  };
  std::map<SockAddr, Sender> senders_;
};

TEST(SlowReadersTest, MemoryIsBoundedAndEveryTransferEnds) {
  SlowReaders net;
  net.crowd.reading = false;
  constexpr uint64_t kBound =
      SlowReaders::kMemory +
      SlowReaders::kPeers * uint64_t{limits::kTcpReceiveWindowBytesMin + packet::kSmallRoom};
  uint64_t most = 0;
  for (int i = 0; i < 20; ++i) {
    net.Round();
    most = std::max(most, net.crowd.tcp().memory_bytes());
  }
  net.crowd.tcp().CheckInvariants();
  EXPECT_LE(most, kBound);
  EXPECT_GE(most, SlowReaders::kMemory);
  EXPECT_LT(net.crowd.received(), uint64_t{SlowReaders::kPeers} * SlowReaders::kBytes / 2);
  EXPECT_GT(net.crowd.counters().drop_memory_full, 0u);
  RecordProperty("memory_most", static_cast<int>(most));
  net.crowd.Read();
  net.crowd.reading = true;
  for (int i = 0; i < 100; ++i) net.Round();
  EXPECT_EQ(net.crowd.received(), uint64_t{SlowReaders::kPeers} * SlowReaders::kBytes);
  EXPECT_EQ(net.crowd.closed(), 0u);
  EXPECT_EQ(net.crowd.tcp().memory_bytes(), 0u);
  EXPECT_EQ(net.crowd.pool().outstanding(), 0);
}

}  // namespace
}  // namespace meltemi::tcp::testing
