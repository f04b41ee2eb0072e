// HostTls: TLS on a host of the simulation, under an application that knows nothing of it: TCP's
// events become those that the application would see without TLS. Handshakes are computed at once.
// Owns the sessions; borrows the host's parts. Single thread.
#ifndef MELTEMI_TEST_SIM_HOST_TLS_H_
#define MELTEMI_TEST_SIM_HOST_TLS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/synchronous_handshakes.h"
#include "dataplane/tls/tls.h"

namespace meltemi::sim {

struct HostTlsOptions {
  tls::ContextRef server, client;  // of accepted and of opened connections; null: plain
  WallClock wall_clock;
};

class HostTls {
 public:
  HostTls(const HostTlsOptions& options, BufferPool* pool, TimerWheel* timers, tcp::Tcp* tcp,
          Instant now);

  // Replaces TCP's events by the application's.
  void Translate(Instant now, std::vector<tcp::TcpEvent>* events);
  void OnTimer(Timer& timer, Instant now) { tls_.OnTimer(timer, now, &tls_events_); }
  // Handshakes that wait to be computed.
  bool due() const { return runner_.ready() || !tls_events_.empty(); }

  bool has(TcpId tcp) const { return conns_.contains(tcp.bits()); }
  // Of a connection that has().
  bool Send(TcpId tcp, Chain plain, Instant now);
  // False: it has no TLS, nothing was done.
  bool Finish(TcpId tcp, Instant now);
  bool Abort(TcpId tcp, Instant now);

  uint64_t handshakes() const { return tls_.counters().handshakes_done; }
  const std::vector<std::string>& alpn() const { return alpn_; }  // of each handshake
  const std::string& peer() const { return peer_; }               // of the last, its URI

 private:
  struct Conn {
    TcpId tcp;
    tls::TlsId tls;
    uint64_t cookie = 0;
    bool client = false, established = false;
    int64_t unopened = 0;  // ciphertext that is no plaintext and still in TCP's window
  };
  void Take(tcp::TcpEvent& event, Instant now, std::vector<tcp::TcpEvent>* out);
  void TakeTls(Instant now, std::vector<tcp::TcpEvent>* out);
  void TakeTls(tls::TlsEvent& event, Instant now, std::vector<tcp::TcpEvent>* out);

  const HostTlsOptions options_;
  tcp::Tcp* const tcp_;
  tls::SynchronousHandshakes runner_;
  tls::Tls tls_;
  std::map<uint64_t, Conn> conns_;  // by TcpId; TLS's cookie too
  std::vector<tls::TlsEvent> tls_events_;
  std::vector<std::string> alpn_;
  std::string peer_;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_HOST_TLS_H_
