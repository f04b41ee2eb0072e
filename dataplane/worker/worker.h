// Worker: one poll-mode core of the node plane. Turn() is the data plane on one screen.
//
// Owns: Ip, Tcp, Tls, UDP sessions, the L7 engine, the timer wheel, and the pipes that join one TCP
// connection to one L7 connection, with TLS between them or without. Borrows: ports (closed by the
// control thread after every worker has let go), the packet pool, mailboxes, the snapshot slot.
// Must not know: clocks, sockets, threads. `now` is given; the same function runs in the simulator.
// Thread: its own. Other threads reach it by mail only (dataplane/shared). Bounds: limits.h
// "Worker"; a full mailbox or port queue is counted and drops the packet.
#ifndef MELTEMI_DATAPLANE_WORKER_WORKER_H_
#define MELTEMI_DATAPLANE_WORKER_WORKER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "dataplane/ip/ip.h"
#include "dataplane/packet/packet_pool.h"
#include "dataplane/shared/latest.h"
#include "dataplane/shared/overload_slot.h"
#include "dataplane/shared/snapshot_slot.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/context_table.h"
#include "dataplane/tls/tls.h"
#include "dataplane/udp/sessions.h"
#include "dataplane/worker/counters.h"
#include "dataplane/worker/mail.h"
#include "dataplane/worker/pipes.h"
#include "dataplane/worker/port_set.h"
#include "dataplane/worker/source_ports.h"
#include "dataplane/worker/tls_pipes.h"
#include "l7/base/prng.h"
#include "l7/base/stage.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"
#include "l7/engine/engine.h"
#include "l7/proxy_protocol/proxy_header.h"

namespace meltemi::worker {

// What TCP's errors are to L7.
engine::ConnectError ConnectErrorOf(tcp::TcpError error);
engine::CloseReason CloseReasonOf(tcp::TcpError error);

struct WorkerOptions {
  int index = 0;         // this worker
  int worker_count = 1;  // of the node: the symmetric hash modulo this names the owner
  uint64_t seed = 0;     // of its Prng
  tcp::TcpOptions tcp;
  engine::EngineOptions engine;
  tls::TlsOptions tls;  // its wall clock is the engine's
};

// What the worker is wired to. `peers[i]` carries mail to worker i (null for itself),
// `from_peers[i]` from worker i.
struct WorkerLinks {
  packet::PacketPool* pool = nullptr;
  shared::SnapshotSlot* snapshots = nullptr;
  MailIn* mail_in = nullptr;    // from the control thread and from peers
  MailOut* mail_out = nullptr;  // to the control thread
  std::vector<PeerLink*> peers;
  std::vector<PeerLink*> from_peers;
  // Without both, listeners and clusters with TLS are refused: they are never ready.
  tls::HandshakeRunner* handshakes = nullptr;
  const shared::Latest<tls::ContextTableRef>* tls_contexts = nullptr;
  shared::OverloadSlot* overload = nullptr;  // null: no overload manager
};

class Worker {
 public:
  Worker(const WorkerOptions& options, const WorkerLinks& links, Instant now);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // One round. Returns when the next timer is due; busy() tells whether anything was done.
  Instant Turn(Instant now);

  bool busy() const { return busy_; }
  // The runner measures turns with the cycle counter and tells what they cost.
  void AddCycles(uint64_t cycles);
  void CountSleep() { ++counters_.sleeps; }
  bool stopped() const { return stopped_; }
  // Nothing waits from other workers, and no handshake from its thread.
  bool InboxEmpty() const;

  PortSet& ports() { return ports_; }
  const PortSet& ports() const { return ports_; }
  const WorkerCounters& counters() const { return counters_; }
  const ip::Ip& ip() const { return ip_; }
  const tcp::Tcp& tcp() const { return tcp_; }
  const engine::Engine& engine() const { return engine_; }
  const udp::Sessions& udp() const { return udp_; }
  const tls::Tls* tls() const { return tls_.get(); }  // null: links.handshakes was

 private:
  void TakeSnapshot(Instant now);
  void FollowOverload();
  void ReadMail(Instant now);
  void OnMail(Mail& mail, Instant now);
  void AttachToPort(const PortAttachment& attachment);
  void DetachFromPort(ip::PortId id, Instant now);
  void FillReport(StatsReport* report);
  void AppendStages(std::vector<telemetry::Sample>* out) const;

  void Steer(Instant now);
  void HandOver(std::vector<ip::Segment>* packets, PeerMail::Kind kind, uint64_t* handed_over,
                uint64_t* dropped);
  void TakePeerMail(Instant now);
  void ShareNeighbours();
  void TakeIcmpErrors(Instant now);
  void DecideUnmatched(Instant now);
  bool Accepts(const ip::Segment& segment) const;
  static bool Opens(const ip::Segment& segment);
  // Whose connections to `destination` are; kNoIndex: nobody's.
  uint32_t ListenerOf(config::Direction direction, const SockAddr& destination, bool opens) const;
  void Deliver(Instant now);
  void OnTcpEvent(tcp::TcpEvent& event, Instant now);
  void OnAccepted(TcpId tcp, Instant now);
  engine::Accepted AcceptedOf(TcpId tcp) const;
  config::ChainChoice ChooseChain(const config::Listener& listener,
                                  const engine::Accepted& accepted, config::Heard heard,
                                  TcpId tcp) const;
  void NoFilterChain(TcpId tcp, Instant now);
  engine::Connected ConnectedOf(TcpId tcp) const;
  bool IsExpected(const engine::Action& action, const PortSet::Entry& pod) const;
  uint64_t Begin(TcpId tcp, const engine::Accepted& accepted, Instant now);
  uint64_t BeginPlain(TcpId tcp, const engine::Accepted& accepted, Instant now);
  uint64_t Refuse(TcpId tcp, Instant now);
  ConnId Admit(const engine::Accepted& accepted, Instant now);
  void SetTcpCookie(TcpId tcp, uint64_t cookie);
  Instant FireTimers(Instant now);
  void RunActions(Instant now);
  void Run(engine::Action& action, Instant now);
  void Connect(engine::Action& action, Instant now);
  template <typename InUse>
  bool ChoosePort(SockAddr* local, const SockAddr& remote, InUse&& in_use);
  void Transmit(Instant now);

  // worker_sniff.cc
  uint64_t BeginSniff(TcpId tcp, const config::Listener& listener, Instant now);
  void OnSniffTcpEvent(tcp::TcpEvent& event, Instant now);
  void LookAtFirstBytes(SniffId id, Instant now);
  void OnSniffTimer(Timer& timer, Instant now);
  void EndSniff(SniffId id, const config::Heard& heard, Instant now);
  Chain ForgetSniff(SniffId id);
  // True: its header is there, or need not be; else it waits, or has been let go.
  bool TakeProxyHeader(SniffId id, Instant now);
  void ApplyProxied(TcpId tcp, engine::Accepted* accepted) const;
  void ForgetProxied(TcpId tcp);

  // worker_udp.cc
  void UseUdpListeners();
  void TakeDatagrams(Instant now);
  void OnDatagram(const ip::Segment& datagram, Instant now);
  void FromClient(const ip::Segment& datagram, const config::UdpListener& listener, Instant now);
  udp::Session* OpenSession(const ip::Segment& datagram, const config::UdpListener& listener,
                            Instant now);
  bool StillServed(const udp::Session& session);
  void OnUdpError(const ip::IcmpError& error, Instant now);

  // worker_tls.cc
  void TakeTlsContexts();
  void PollTls(Instant now);
  const tls::ContextEntry* ContextOf(uint32_t settings, std::string_view source) const;
  uint64_t AcceptTls(TcpId tcp, uint32_t settings, Instant now);
  void ConnectTls(const engine::Action& action, TcpId tcp, Instant now);
  void OnTlsTcpEvent(tcp::TcpEvent& event, Instant now);
  void DeliverTls(Instant now);
  void OnTlsEvent(tls::TlsEvent& event, Instant now);
  void OnHandshakeDone(const tls::TlsEvent& event, Instant now);
  ConnId AdmitTls(const TlsPipe& pipe, tls::HandshakeInfo* info, Instant now);
  void CountTls(const TlsPipe& pipe, const telemetry::TlsOutcome& outcome);
  void OnTlsError(const tls::TlsEvent& event, Instant now);
  TlsPipe ForgetTls(TlsPipe& pipe);
  void RunTls(engine::Action& action, TlsPipe& pipe, Instant now);
  void SealWrites(Instant now);
  bool SealPlain(TlsPipe& pipe, Instant now);
  void CloseTls(TlsPipe& pipe, Instant now);
  void SendTls(TlsPipe& pipe, Chain records, Instant now);
  void OpenWindow(TlsPipe& pipe, uint64_t consumed, Instant now);

  void HandOverRecords();
  void Publish(Instant now);

  const WorkerOptions options_;
  const WorkerLinks links_;
  Prng prng_;
  SourcePorts source_ports_;
  TimerWheel timers_;
  ip::Ip ip_;
  tcp::Tcp tcp_;
  std::unique_ptr<tls::Tls> tls_;  // null: links_.handshakes is
  udp::Sessions udp_;
  engine::Engine engine_;
  StageTotals stages_;  // stays empty but in binaries for bench/profile
  PortSet ports_;
  Pipes pipes_;
  TlsPipes tls_pipes_;
  SlotMap<Sniff, SniffId> sniffs_{limits::kSniffCountMax};
  // What PROXY headers have said of connections that L7 has not yet taken, by TcpId.
  absl::flat_hash_map<uint64_t, proxy_protocol::Addresses> proxied_;
  tls::ContextTableRef tls_contexts_;
  uint64_t tls_version_ = 0;  // of links_.tls_contexts
  const config::Snapshot* snapshot_ = nullptr;
  policy::OverloadActions overload_;
  WorkerCounters counters_;
  bool busy_ = false;
  bool stopped_ = false;

  // Scratch of one turn, kept for its capacity.
  std::vector<ip::RxPacket> rx_;
  std::vector<ip::Segment> segments_;
  std::vector<tcp::SegmentIn> tcp_in_;
  std::vector<tcp::SegmentIn> unmatched_;
  std::vector<tcp::TcpEvent> events_;
  std::vector<tcp::TcpEvent> delivering_;
  std::vector<tls::TlsEvent> tls_events_;
  std::vector<engine::Action> running_;
  std::vector<tls::TlsId> to_seal_;
  std::vector<tcp::SegmentOut> out_;
};

// Sets local->port by RFC 6056 3.3.4, among those whose replies hash back to this worker and that
// are not in_use(). False: none was found.
template <typename InUse>
bool Worker::ChoosePort(SockAddr* local, const SockAddr& remote, InUse&& in_use) {
  constexpr int kTries = 256;
  const auto usable = [&](uint16_t port) {
    local->port = port;
    const uint32_t owner = SymmetricHash(*local, remote) % options_.worker_count;
    return owner == static_cast<uint32_t>(options_.index) && !in_use();
  };
  return source_ports_.Choose(local->ip, remote, kTries, &prng_, usable) != 0;
}

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_WORKER_H_
