// Stack: one host on a network of our own: a port, IP and TCP on one timer wheel. What a worker of
// the node plane joins, without an engine on top: the generator is one host, the backend another.
//
// Owns: Ip, Tcp, the wheel, TLS once UseTls was called. Borrows: the port (closed by its owner
// after LetGo), the packet pool, the runner of handshakes. Must not know: clocks, HTTP. Thread: the
// load thread; `now` is given. Bounds: those of Ip, Tcp and Tls.
//
//   stack.Receive(now);  for (event : stack.events()) ...;  stack.Transmit(now);
#ifndef MELTEMI_BENCH_LOAD_STACK_H_
#define MELTEMI_BENCH_LOAD_STACK_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "bench/load/tls_streams.h"
#include "dataplane/ip/ip.h"
#include "dataplane/nic/port.h"
#include "dataplane/packet/packet_pool.h"
#include "dataplane/tcp/tcp.h"
#include "l7/base/prng.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::load {

struct StackOptions {
  std::vector<IpAddr> addresses;  // ours, at least one
  uint8_t prefix_bits = 24;       // of the network they lie in
  std::optional<IpAddr> gateway;
  ip::MacAddr mac{};
  uint16_t mtu = 1500;
  uint16_t listen_port = 0;  // 0: accepts nothing
  tcp::TcpOptions tcp;
  uint64_t seed = 0;
};

class Stack {
 public:
  Stack(const StackOptions& options, nic::Port* port, packet::PacketPool* pool, Instant now);
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // Takes what the port has and fires what is due. What TCP says stands in events(), to be
  // cleared by the caller. True when there was anything.
  bool Receive(Instant now);
  // Sends what TCP has to send. True when there was anything.
  bool Transmit(Instant now);
  std::vector<tcp::TcpEvent>& events() { return events_; }

  // Opens a connection from one of our addresses in turn. Invalid: no route or no free port.
  TcpId Connect(const SockAddr& target, uint64_t cookie, Instant deadline, Instant now);

  // As Tcp's, with or without TLS. What Send gets is plaintext; what kData brings is, too, and
  // tcp().Consumed counts it.
  void Send(TcpId id, Chain bytes, Instant now);
  void Release(TcpId id, Instant now);
  void Abort(TcpId id, Instant now);
  void SetCookie(TcpId id, uint64_t cookie);

  // Connections may have TLS from now on: tls() says which.
  void UseTls(const WallClock& wall_clock, tls::HandshakeRunner* runner, Instant now);
  TlsStreams* tls() { return tls_.get(); }  // null: not yet

  tcp::Tcp& tcp() { return tcp_; }
  const ip::Ip& ip() const { return ip_; }
  packet::PacketPool* pool() { return pool_; }
  const nic::Port& port() const { return *port_; }
  const std::vector<IpAddr>& addresses() const { return options_.addresses; }

 private:
  void TakePackets(Instant now);
  void DecideUnmatched(Instant now);
  void FireTimers(Instant now);

  const StackOptions options_;
  nic::Port* const port_;
  packet::PacketPool* const pool_;
  Prng prng_;
  TimerWheel timers_;
  ip::Ip ip_;
  tcp::Tcp tcp_;
  std::unique_ptr<TlsStreams> tls_;
  uint32_t next_source_ = 0;  // walks over all addresses and ports: longest time before reuse
  bool busy_ = false;

  std::vector<ip::RxPacket> rx_;
  std::vector<ip::Segment> segments_;
  std::vector<tcp::SegmentIn> tcp_in_, unmatched_;
  std::vector<tcp::TcpEvent> events_;
  std::vector<tcp::SegmentOut> out_;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_STACK_H_
