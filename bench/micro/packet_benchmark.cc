// What the parts under HTTP cost: checksum, flow table, timers, a TCP segment out and in. One
// thread; but for the flow table everything is in the cache: lower bounds.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/flow_table.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/prng.h"
#include "l7/base/timer_wheel.h"

namespace meltemi {
namespace {

void Checksum(benchmark::State& state) {
  const std::vector<uint8_t> bytes(static_cast<size_t>(state.range(0)), 0x5a);
  for (auto _ : state) benchmark::DoNotOptimize(wire::SumBytes(bytes.data(), bytes.size()));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Checksum)->Arg(64)->Arg(200)->Arg(1460)->Arg(65'536);

// The tuple of one of so many flows, in an order that no cache foresees.
class Flows {
 public:
  explicit Flows(uint32_t count) : table_(count, {1, 2, 3}), tuples_(count) {
    for (uint32_t i = 0; i < count; ++i) {
      tuples_[i] = {.local = {IpAddr::V4(0x0a000001), static_cast<uint16_t>(i)},
                    .remote = {IpAddr::V4(0x0a000002), static_cast<uint16_t>(i >> 16)}};
    }
  }
  void Insert() {
    for (FourTuple& t : tuples_) table_.Insert(table_.Hash(t), tcp::FlowTable::Kind::kConn, &t);
  }
  const FourTuple& Any() { return tuples_[prng_.Below(tuples_.size())]; }
  void Find(const FourTuple& wanted, uint32_t hash) const {
    const auto entry = table_.Find(hash, [&](const tcp::FlowTable::Entry& e) {
      return *static_cast<const FourTuple*>(e.value) == wanted;
    });
    CHECK(entry.value != nullptr);
  }
  const tcp::FlowTable& table() const { return table_; }

 private:
  tcp::FlowTable table_;
  std::vector<FourTuple> tuples_;
  Prng prng_{1};
};

// A lookup, the tuple compared: one by one, nothing prefetched.
void FlowLookup(benchmark::State& state) {
  Flows flows(static_cast<uint32_t>(state.range(0)));
  flows.Insert();
  for (auto _ : state) {
    const FourTuple& wanted = flows.Any();
    flows.Find(wanted, flows.table().Hash(wanted));
  }
}
BENCHMARK(FlowLookup)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->Arg(4'000'000);

// As TCP does it for a burst of 32: buckets and what they point to are fetched for all before any
// is compared. (The wanted tuples are read unprefetched: in a plane they come with the packets.)
void FlowLookupStaged(benchmark::State& state) {
  constexpr int kBurst = 32;
  Flows flows(static_cast<uint32_t>(state.range(0)));
  flows.Insert();
  std::array<FourTuple, kBurst> wanted;
  std::array<uint32_t, kBurst> hashes;
  for (auto _ : state) {
    for (int i = 0; i < kBurst; ++i) {
      wanted[i] = flows.Any();
      hashes[i] = flows.table().Hash(wanted[i]);
      flows.table().Prefetch(hashes[i]);
    }
    for (const uint32_t hash : hashes) __builtin_prefetch(flows.table().Peek(hash).value);
    for (int i = 0; i < kBurst; ++i) flows.Find(wanted[i], hashes[i]);
  }
  state.SetItemsProcessed(state.iterations() * kBurst);
}
BENCHMARK(FlowLookupStaged)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->Arg(4'000'000);

// From nothing to so many, growth included.
void FlowInsert(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    auto flows = std::make_unique<Flows>(count);
    state.ResumeTiming();
    flows->Insert();
    state.PauseTiming();
    flows.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(FlowInsert)->Arg(1000)->Arg(100'000)->Arg(4'000'000)->Unit(benchmark::kMillisecond);

// What a connection's timer does with every segment: it moves.
void TimerMove(benchmark::State& state) {
  Instant now = Instant::FromNanos(1'000'000'000);
  TimerWheel wheel(now);
  std::vector<std::unique_ptr<Timer>> timers;
  for (int64_t i = 0; i < state.range(0); ++i) {
    timers.push_back(std::make_unique<Timer>(TimerOwner::kTcp, 0));
    wheel.Schedule(timers.back().get(), now + Duration::Micros(100 * i));
  }
  Prng prng(1);
  for (auto _ : state) {
    Timer& timer = *timers[prng.Below(timers.size())];
    wheel.Schedule(&timer, now + Duration::Millis(200 + static_cast<int64_t>(prng.Below(50))));
  }
  for (auto& timer : timers) wheel.Cancel(timer.get());
}
BENCHMARK(TimerMove)->Arg(1000)->Arg(100'000);

// What every turn asks: nothing is due.
void TimerNothingDue(benchmark::State& state) {
  Instant now = Instant::FromNanos(1'000'000'000);
  TimerWheel wheel(now);
  Timer timer(TimerOwner::kTcp, 0);
  wheel.Schedule(&timer, now + Duration::Seconds(3600));
  for (auto _ : state) {
    now = now + Duration::Micros(1);
    if (now > timer.deadline - Duration::Seconds(1))
      wheel.Schedule(&timer, now + Duration::Seconds(3600));
    wheel.Advance(now, [](Timer&) {});
    benchmark::DoNotOptimize(wheel.NextDeadline());
  }
  wheel.Cancel(&timer);
}
BENCHMARK(TimerNothingDue);

// Two Tcp joined by a wire without delay: what one sends the other receives in the same instant.
struct Side {
  explicit Side(packet::PacketPool* pool, Instant now)
      : timers(now), prng(1), tcp({.conn_count_max = 16}, pool, &timers, &prng, now) {}
  TimerWheel timers;
  Prng prng;
  tcp::Tcp tcp;
  TcpId id;
  std::vector<tcp::TcpEvent> events;
  std::vector<tcp::SegmentIn> unmatched;
};

class Pair {
 public:
  Pair() : client_(&pool_, now_), server_(&pool_, now_) {
    const FourTuple tuple{.local = {*IpAddr::Parse("10.0.0.1"), 40'000},
                          .remote = {*IpAddr::Parse("10.0.0.2"), 80}};
    client_.id = client_.tcp.Connect(tuple, {}, 0, Instant::Never(), now_);
    for (int i = 0; i < 4; ++i) {
      Move(client_, server_);
      Move(server_, client_);
    }
    CHECK(server_.id.valid());
  }
  ~Pair() {
    client_.tcp.Abort(client_.id, now_);
    Move(client_, server_);
  }

  // `bytes` from the client to the server, as many segments as that takes, and the ACKs back.
  void Exchange(std::string_view bytes) {
    now_ = now_ + Duration::Micros(20);
    Chain chain;
    CHECK(AppendCopy(&pool_, bytes, &chain));
    client_.tcp.Send(client_.id, std::move(chain), now_);
    Move(client_, server_);
    Move(server_, client_);
    for (Side* side : {&client_, &server_}) {
      side->timers.Advance(now_, [&](Timer& t) { side->tcp.OnTimer(t, now_, &side->events); });
    }
  }
  uint64_t segments() const {
    return client_.tcp.counters().segments_out + server_.tcp.counters().segments_out;
  }

 private:
  void Move(Side& from, Side& to) {
    from.tcp.Transmit(now_, 64, &out_);
    for (const tcp::SegmentOut& o : out_) {
      // As a port does: the bytes are copied, the checksum completed.
      packet::Packet* copy = pool_.CopyLinear(o.packet);
      pool_.Free(o.packet);
      CHECK(copy != nullptr);
      const auto sum = static_cast<uint16_t>(~tcp::PacketSum(copy));
      wire::Store16(packet::Data(copy) + 16, sum);
      const bool up = &from == &client_;
      in_.push_back({.packet = copy,
                     .source = {o.source, static_cast<uint16_t>(up ? 40'000 : 80)},
                     .destination = {o.destination, static_cast<uint16_t>(up ? 80 : 40'000)}});
    }
    out_.clear();
    to.tcp.Receive(in_, now_, &to.events, &to.unmatched);
    in_.clear();
    for (const tcp::SegmentIn& syn : to.unmatched) to.tcp.Accept(syn, {}, now_);
    to.unmatched.clear();
    for (tcp::TcpEvent& event : to.events) {
      if (event.kind == tcp::TcpEvent::Kind::kAccepted) to.id = event.id;
      if (event.kind != tcp::TcpEvent::Kind::kData) continue;
      to.tcp.Consumed(event.id, static_cast<uint32_t>(event.bytes.size()), now_);
    }
    to.events.clear();
  }

  packet::HeapPacketPool pool_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  Side client_, server_;
  std::vector<tcp::SegmentOut> out_;
  std::vector<tcp::SegmentIn> in_;
};

// Per segment, ACKs included: made by one side, copied once as by a port, taken by the other.
// Checksums in software.
void TcpSegment(benchmark::State& state) {
  Pair pair;
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (int i = 0; i < 1000; ++i) pair.Exchange(bytes);  // past slow start
  const uint64_t before = pair.segments();
  for (auto _ : state) pair.Exchange(bytes);
  const auto segments = static_cast<double>(pair.segments() - before);
  state.counters["segments"] = segments / static_cast<double>(state.iterations());
  state.counters["per_segment"] =
      benchmark::Counter(segments, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(TcpSegment)->Arg(200)->Arg(1448)->Arg(14'480);

}  // namespace
}  // namespace meltemi
