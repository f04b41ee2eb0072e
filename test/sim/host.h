// Host: a machine at the far end of the wire, a client's pod or a server. Our own IP and TCP, one
// port, and an application on top.
//
// Owns its packets, connections and timers; borrows the application. Turn is Worker::Turn without
// L7: receive, decide, deliver, fire timers, send. Single thread.
#ifndef MELTEMI_TEST_SIM_HOST_H_
#define MELTEMI_TEST_SIM_HOST_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/tls_streams.h"
#include "dataplane/ip/ip.h"
#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/synchronous_handshakes.h"
#include "dataplane/worker/testing/memory_port.h"
#include "l7/base/prng.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::sim {

class Host;

// What runs on a host. Called from Host::Turn only.
class App {
 public:
  virtual ~App() = default;
  virtual bool Listens(const SockAddr& local) const = 0;
  virtual void OnEvent(Host& host, tcp::TcpEvent& event, Instant now) = 0;
  // Once a turn, after the events. Returns when it wants to be called again.
  virtual Instant OnTurn(Host& host, Instant now) = 0;
};

struct HostTlsOptions {
  tls::ContextRef server, client;  // of accepted and of opened connections; null: plain
  WallClock wall_clock;
  bool cuts = false;  // ends its streams by FIN alone, without close_notify
};

struct HostOptions {
  std::string name;
  nic::MacAddr mac{};
  std::vector<IpAddr> addresses;  // the host's own
  std::vector<IpPrefix> on_link;  // reached directly
  std::vector<IpAddr> gateways;   // default routes, at most one per family
  uint16_t mtu = 1500;
  worker::MemoryPortOptions port;
  uint64_t seed = 1;
  tcp::TcpOptions tcp;
  HostTlsOptions tls;  // without contexts: none
};

class Host {
 public:
  Host(const HostOptions& options, App* app, Instant now);
  ~Host();
  Host(const Host&) = delete;

  // Returns when it must turn again, if nothing arrives before.
  Instant Turn(Instant now);
  bool has_input() const { return running_ && port_.waiting(0) > 0; }

  // For the application. Connect: an invalid id when there is no route or no port.
  TcpId Connect(const SockAddr& to, uint64_t cookie, Instant deadline, Instant now);
  // False: stop until kSendSpace (what was given is kept).
  bool Send(TcpId id, std::string_view bytes, Instant now);
  void Finish(TcpId id, Instant now);
  void Abort(TcpId id, Instant now);
  const load::TlsStreams* tls() const { return tls_.get(); }  // null: the host speaks plainly
  tcp::Tcp& tcp() { return tcp_; }

  // The machine loses power, or gets it back with its memory: what arrives is lost.
  void SetPower(bool on) {
    running_ = on;
    port_.set_state(on ? nic::PortState::kUp : nic::PortState::kGone);
  }
  bool running() const { return running_; }

  worker::MemoryPort& port() { return port_; }
  const HostOptions& options() const { return options_; }
  const packet::HeapPacketPool& pool() const { return pool_; }
  const ip::Ip& ip() const { return ip_; }

 private:
  void Deliver(Instant now);

  const HostOptions options_;
  App* const app_;
  packet::HeapPacketPool pool_;  // first of what holds packets: it outlives them
  TimerWheel timers_;
  Prng prng_;
  worker::MemoryPort port_;
  ip::Ip ip_;
  tcp::Tcp tcp_;
  tls::SynchronousHandshakes handshakes_;
  std::unique_ptr<load::TlsStreams> tls_;
  bool running_ = true;
  std::vector<ip::RxPacket> rx_;
  std::vector<ip::Segment> segments_;
  std::vector<tcp::SegmentIn> tcp_in_, unmatched_;
  std::vector<tcp::TcpEvent> events_, delivering_;
  std::vector<tcp::SegmentOut> out_;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_HOST_H_
