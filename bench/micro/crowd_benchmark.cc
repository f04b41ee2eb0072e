// What TCP costs with many connections, taken in turn, in a shuffled order, so that neither caches
// nor hardware know the next: a request and its reply on each, in bursts.
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/tcp.h"
#include "l7/base/prng.h"
#include "l7/base/timer_wheel.h"

namespace meltemi {
namespace {

constexpr uint32_t kTextBytes = 100;
const SockAddr kServer{IpAddr::V4(0x0a00'0001), 80};

// `count` established connections of one Tcp that answers every request. The peers are as little as
// can be: two numbers each.
class Crowd {
 public:
  explicit Crowd(uint32_t count) : peers_(count) {
    tcp_ = std::make_unique<tcp::Tcp>(tcp::TcpOptions{.conn_count_max = count}, &pool_, &timers_,
                                      &prng_, now_);
    for (uint32_t i = 0; i < count; ++i) {
      in_.push_back(Build(i, tcp::kSyn, 0));
      Turn();
      in_.push_back(Build(i, tcp::kAck, 0));
      Turn();
      now_ = now_ + Duration::Micros(1);
    }
    CHECK(tcp_->conn_count() == count);
    for (uint32_t i = 0; i < count; ++i) order_.push_back(i);
    for (uint32_t i = count; i > 1; --i) std::swap(order_[i - 1], order_[prng_.Below(i)]);
  }
  ~Crowd() { tcp_.reset(); }

  // The next `count` peers in turn send a request each; their replies come out.
  void Burst(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      in_.push_back(Build(order_[next_], tcp::kAck | tcp::kPsh, kTextBytes));
      next_ = (next_ + 1) % order_.size();
    }
    now_ = now_ + Duration::Micros(count);
    Turn();
  }

 private:
  struct Peer {
    uint32_t seq = 0, ack = 0;
  };
  static SockAddr AddressOf(uint32_t i) { return {IpAddr::V4(0x0b00'0000 + i), 40'000}; }

  tcp::SegmentIn Build(uint32_t i, uint8_t flags, uint32_t text_bytes) {
    packet::Packet* p = pool_.Alloc();
    Peer& peer = peers_[i];
    uint8_t* header = packet::Append(p, static_cast<uint16_t>(tcp::kHeaderBytes + text_bytes));
    tcp::WriteHeader({.tuple = {AddressOf(i), kServer},
                      .seq = peer.seq,
                      .ack = peer.ack,
                      .window = 65'535,
                      .flags = flags},
                     0, p->pkt_len, header);
    std::memset(header + tcp::kHeaderBytes, 'x', text_bytes);
    peer.seq += text_bytes + ((flags & tcp::kSyn) != 0 ? 1 : 0);
    return {.packet = p, .source = AddressOf(i), .destination = kServer, .checksum_trusted = true};
  }

  void Turn() {
    tcp_->Receive(in_, now_, &events_, &unmatched_);
    in_.clear();
    for (const tcp::SegmentIn& syn : unmatched_) tcp_->Accept(syn, {}, now_);
    unmatched_.clear();
    for (tcp::TcpEvent& event : events_) {
      if (event.kind != tcp::TcpEvent::Kind::kData) continue;
      tcp_->Consumed(event.id, static_cast<uint32_t>(event.bytes.size()), now_);
      tcp_->Send(event.id, std::move(event.bytes), now_);
    }
    events_.clear();
    tcp_->Transmit(now_, 256, &out_);
    for (const tcp::SegmentOut& o : out_) {
      tcp::Segment s;
      CHECK(tcp::ParseSegment(o.packet, {o.source, 0}, {o.destination, 0}, &s) ==
            tcp::ParseResult::kOk);
      peers_[o.destination.v4_host_order() - 0x0b00'0000].ack = s.end();
      pool_.Free(o.packet);
    }
    out_.clear();
    timers_.Advance(now_, [this](Timer& t) { tcp_->OnTimer(t, now_, &events_); });
  }

  packet::HeapPacketPool pool_;
  Prng prng_{1};
  Instant now_ = Instant::FromNanos(1'000'000'000);
  TimerWheel timers_{now_};
  std::unique_ptr<tcp::Tcp> tcp_;
  std::vector<Peer> peers_;
  std::vector<uint32_t> order_;  // of all, shuffled: no hardware foresees which is next
  size_t next_ = 0;
  std::vector<tcp::TcpEvent> events_;
  std::vector<tcp::SegmentIn> in_, unmatched_;
  std::vector<tcp::SegmentOut> out_;
};

// Per request: its segment in, its reply out. Arguments: connections, requests in a burst.
void TcpRequestsOfMany(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  const auto burst = static_cast<uint32_t>(state.range(1));
  Crowd crowd(count);
  for (uint32_t i = 0; i < 2 * count + 1000; i += burst) crowd.Burst(burst);
  for (auto _ : state) crowd.Burst(burst);
  state.SetItemsProcessed(state.iterations() * burst);
}
BENCHMARK(TcpRequestsOfMany)
    ->ArgNames({"conns", "burst"})
    ->Args({1, 1})
    ->Args({64, 8})
    ->Args({1'000, 32})
    ->Args({10'000, 1})
    ->Args({10'000, 32})
    ->Args({200'000, 1})
    ->Args({200'000, 32});

}  // namespace
}  // namespace meltemi
