// TlsStreams: TLS under an application that knows nothing of it: TCP's events become those that the
// application would see without TLS, and what it sends is sealed. Of meltemi-load and of the hosts
// of test/sim; a worker of the node plane, which also counts, sniffs and joins L7, has its own
// (dataplane/worker/worker_tls.cc).
//
// Owns: the sessions of one Tcp. Borrows: that Tcp, its wheel and pool, the runner of handshakes.
// Must not know: HTTP, clocks. Thread: the caller's. Bounds: those of Tls and Tcp.
#ifndef MELTEMI_BENCH_LOAD_TLS_STREAMS_H_
#define MELTEMI_BENCH_LOAD_TLS_STREAMS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/handshake_runner.h"
#include "dataplane/tls/tls.h"

namespace meltemi::load {

// Of the connections that are opened.
struct TlsClient {
  tls::ContextRef context;  // null: they are plain
  std::string sni;          // empty: none is sent
  bool check_name = false;  // the certificate must be for `sni`
  Duration timeout;         // of a handshake; zero: Tls's own
};

class TlsStreams {
 public:
  TlsStreams(const WallClock& wall_clock, tls::HandshakeRunner* runner, BufferPool* pool,
             TimerWheel* timers, tcp::Tcp* tcp, Instant now);

  // Of connections that begin from now on.
  void set_client(TlsClient client) { client_ = std::move(client); }
  void set_server(tls::ContextRef context) { server_ = std::move(context); }  // null: plain

  // Once a turn: replaces TCP's events by the application's, takes handshakes that are done.
  void Translate(Instant now, std::vector<tcp::TcpEvent>* events);
  void OnTimer(Timer& timer, Instant now) { tls_.OnTimer(timer, now, &tls_events_); }
  // Translate has something to do, also without an event of TCP.
  bool due() const { return runner_->ready() || !tls_events_.empty() || !ended_.empty(); }

  bool has(TcpId tcp) const { return const_cast<TlsStreams*>(this)->Find(tcp) != nullptr; }
  // As Tcp's, of a connection that has().
  bool Send(TcpId tcp, Chain plain, Instant now);
  void SetCookie(TcpId tcp, uint64_t cookie) { Find(tcp)->cookie = cookie; }
  // As Tcp's. False: it has no TLS, nothing was done.
  bool Finish(TcpId tcp, Instant now);
  bool Release(TcpId tcp, Instant now);
  bool Abort(TcpId tcp, Instant now);

  const tls::TlsCounters& counters() const { return tls_.counters(); }
  // What the last handshake has agreed on; null before.
  const tls::HandshakeInfo* agreed() const { return agreed_.get(); }

 private:
  struct Conn {
    TcpId tcp;  // invalid: not in use
    tls::TlsId tls;
    uint64_t cookie = 0;
    bool client = false, established = false;
    int64_t unopened = 0;  // ciphertext that is no plaintext and still in TCP's window
  };
  Conn* Find(TcpId tcp) {
    const bool here = tcp.valid() && tcp.slot < conns_.size() && conns_[tcp.slot].tcp == tcp;
    return here ? &conns_[tcp.slot] : nullptr;
  }
  void Begin(const tcp::TcpEvent& event, Instant now, std::vector<tcp::TcpEvent>* out);
  void Take(tcp::TcpEvent& event, Instant now, std::vector<tcp::TcpEvent>* out);
  void TakeTls(Instant now, std::vector<tcp::TcpEvent>* out);
  void TakeTls(tls::TlsEvent& event, Instant now, std::vector<tcp::TcpEvent>* out);
  void SendCloseNotify(const Conn& conn, Instant now);
  void Forget(Conn* conn);

  tcp::Tcp* const tcp_;
  tls::HandshakeRunner* const runner_;
  tls::Tls tls_;
  TlsClient client_;
  tls::ContextRef server_;
  std::deque<Conn> conns_;            // by TcpId's slot; references outlive growth
  std::vector<tcp::TcpEvent> ended_;  // by us, to be told
  std::vector<tls::TlsEvent> tls_events_, handling_;
  std::unique_ptr<tls::HandshakeInfo> agreed_;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_TLS_STREAMS_H_
