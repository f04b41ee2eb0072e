// Both: generator and backend at the two ends of a wire in memory, on a virtual clock. For tests.
#ifndef MELTEMI_BENCH_LOAD_TESTING_BOTH_H_
#define MELTEMI_BENCH_LOAD_TESTING_BOTH_H_

#include <deque>
#include <span>

#include "bench/load/backend.h"
#include "bench/load/generator.h"
#include "bench/load/stack.h"
#include "bench/load/tls_setup.h"
#include "dataplane/packet/heap_pool.h"
#include "gtest/gtest.h"

namespace meltemi::load {

// One end of a wire that takes `delay` and whose clock is the test's.
class WirePort final : public nic::Port {
 public:
  WirePort(const Instant* now, Duration delay, packet::PacketPool* pool)
      : now_(now), delay_(delay), pool_(pool) {}
  ~WirePort() override { LetGo(0, *pool_); }
  void Join(WirePort* other) {
    other_ = other;
    other->other_ = this;
  }

  int RxBurst(int /*queue*/, packet::PacketPool& /*pool*/,
              std::span<packet::Packet*> out) override {
    int n = 0;
    while (n < static_cast<int>(out.size()) && !flying_.empty() && flying_.front().at <= *now_) {
      out[n++] = flying_.front().packet;
      flying_.pop_front();
    }
    return n;
  }
  int TxBurst(int /*queue*/, packet::PacketPool& pool,
              std::span<packet::Packet*> packets) override {
    for (packet::Packet* p : packets) {
      packet::Packet* copy = pool.CopyChain(p);
      copy->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
      pool.Free(p);
      other_->flying_.push_back({*now_ + delay_, copy});
    }
    return static_cast<int>(packets.size());
  }
  int event_fd(int /*queue*/) const override { return -1; }
  void LetGo(int /*queue*/, packet::PacketPool& pool) override {
    for (const Flying& f : flying_) pool.Free(f.packet);
    flying_.clear();
  }
  nic::PortCaps caps() const override { return {.tx_checksum = true, .tx_chains = true}; }
  nic::PortState state() const override { return nic::PortState::kUp; }
  nic::MacAddr mac() const override { return {}; }
  const nic::PortCounters& rx_counters(int /*queue*/) const override { return counters_; }
  const nic::PortCounters& tx_counters(int /*queue*/) const override { return counters_; }
  void Close() override {}

 private:
  struct Flying {
    Instant at;
    packet::Packet* packet;
  };
  const Instant* now_;
  const Duration delay_;
  packet::PacketPool* const pool_;
  WirePort* other_ = nullptr;
  std::deque<Flying> flying_;
  nic::PortCounters counters_;
};

inline StackOptions Side(const char* address, uint8_t last, uint16_t listen) {
  StackOptions o;
  o.addresses = {*IpAddr::Parse(address)};
  o.mac = {2, 0, 0, 0, 0, last};
  o.listen_port = listen;
  o.seed = last;
  o.tcp.time_wait = Duration::Millis(1);
  return o;
}

struct Both {
  explicit Both(const BackendOptions& options, Duration delay = Duration::Micros(50))
      : client_port(&now, delay, &pool),
        server_port(&now, delay, &pool),
        client(Side("10.0.0.1", 1, 0), &client_port, &pool, now),
        server(Side("10.0.0.2", 2, 80), &server_port, &pool, now),
        backend(options, &server) {
    client_port.Join(&server_port);
  }
  // Both ends may speak TLS: the backend does, from now on.
  void UseTls(const WallClock& wall_clock, const TlsContexts& contexts) {
    client.UseTls(wall_clock, handshakes.client(), now);
    server.UseTls(wall_clock, handshakes.server(), now);
    server.tls()->set_server(contexts.server);
  }

  RunResult Run(RunOptions options) {
    options.target = {*IpAddr::Parse("10.0.0.2"), 80};
    Generator generator(options, &client, now);
    for (int i = 0; i < 50'000'000 && !generator.done(); ++i) Step(&generator);
    EXPECT_TRUE(generator.done());
    for (int i = 0; i < 1000; ++i) Step(nullptr);  // the connections' ends
    return generator.result();
  }
  void Step(Generator* generator) {
    client.Receive(now);
    if (generator != nullptr) generator->Turn(now);
    client.events().clear();
    client.Transmit(now);
    server.Receive(now);
    if (!stalled(now)) backend.Turn(now);
    server.Transmit(now);
    now = now + Duration::Micros(10);
  }
  bool stalled(Instant t) const { return t >= stall_from && t < stall_until; }

  Instant now = Instant::FromNanos(1'000'000'000);
  Instant stall_from = Instant::Never(), stall_until = Instant::Never();
  packet::HeapPacketPool pool;
  Handshakes handshakes{/*threads=*/0};
  WirePort client_port, server_port;
  Stack client, server;
  Backend backend;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_TESTING_BOTH_H_
