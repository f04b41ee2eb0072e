// Engine: the one door of L7. Bytes, connection events and time in; actions out. It proxies
// HTTP/1.1, HTTP/2 and opaque TCP: listener -> route -> cluster -> endpoint, with pools, timeouts,
// retries and faults.
//
// Owns: L7 connections (downstream and upstream), exchanges, upstream pools, balancer state, L7
// counters. Must not know: packets, TCP, TLS, sockets, clocks, other workers.
// Called by: dataplane/worker only, on its thread; tests and simulations call it directly.
// Never calls back: what it wants done stands in actions() after each call, in order. The caller
// drains actions() before the next turn; it may call On... functions again before draining.
// Bounds: limits.h (connections, exchanges, buffers, pools), each counted when reached.
#ifndef MELTEMI_L7_ENGINE_ENGINE_H_
#define MELTEMI_L7_ENGINE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "l7/base/handle.h"
#include "l7/base/ip_addr.h"
#include "l7/base/prng.h"
#include "l7/base/shared_cell.h"
#include "l7/base/slice.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"
#include "l7/cluster/board.h"
#include "l7/config/snapshot.h"
#include "l7/engine/action.h"
#include "l7/engine/counters.h"
#include "l7/policy/overload.h"
#include "l7/telemetry/access_record.h"
#include "l7/telemetry/peer.h"
#include "l7/telemetry/sample.h"
#include "l7/telemetry/tls_stats.h"

namespace meltemi::engine {

// A downstream connection that a listener of the current snapshot takes.
struct Accepted {
  uint32_t listener = config::kNoIndex;      // index in the current snapshot's listeners
  SockAddr local;                            // what the client dialled
  SockAddr remote;                           // the client
  const config::Workload* source = nullptr;  // the workload of the pod port; null: not from a pod
  bool gateway = false;                      // the source is one, and the client somebody else
  bool secure = false;                       // the client speaks TLS
  telemetry::TlsSession tls;                 // of it
  // Its certificate's, when it has shown a good one; copied. Else the source is all that is known.
  const telemetry::PeerIdentity* peer = nullptr;
  // Its certificate and all that came with it, as PEM, where the listener says them on.
  std::string_view peer_pem, peer_chain_pem;
  std::string_view alpn;  // what its handshake has agreed; empty: nothing
  std::string_view sni;   // whom its TLS asks for, in lower case; empty: nobody
};

// An upstream connection that stands.
struct Connected {
  SockAddr local;
  telemetry::TlsSession tls;
  const telemetry::PeerIdentity* peer = nullptr;  // as Accepted's
  const config::Workload* workload = nullptr;     // whose pod of this node it leads to
};

enum class CloseReason : uint8_t {
  kPeerReset,  // RST received
  kTimeout,    // retransmissions or keepalive gave up
  kFinished,   // both directions ended in order
  kPortGone,   // the port was removed
  kOverload,   // packets ran out, and the peer had not read for the longest
  kShutdown,
};

enum class ConnectError : uint8_t {
  kRefused,       // RST to our SYN
  kUnreachable,   // ICMP, no route, no neighbour
  kTimeout,       // SYN retries used up, or action.connect_timeout passed
  kNoResources,   // no connection slot or source port left
  kTls,           // the TLS handshake failed, or its secrets are not there
  kTlsUntrusted,  // so it did, as the server's certificate does not verify
  kTlsName,       // or is somebody else's
};

struct EngineOptions {
  uint32_t conn_count_max = 0;      // limits::kL7ConnCountMax
  uint32_t exchange_count_max = 0;  // limits::kExchangeCountMax
  WallClock wall_clock;             // START_TIME of access records
  // What the workers of a node share; null: there are no others. Outlives the engine.
  cluster::Board* board = nullptr;
  bool checks_health = true;  // active health checks: one worker of the node does them for all
  // Clients' connections of all workers, and the most that there may be; null: without limit.
  // Outlives the engine.
  SharedCell* downstream_connections = nullptr;
  uint32_t downstream_connections_max = 0;
};

class Engine {
 public:
  Engine(const EngineOptions& options, BufferPool* pool, TimerWheel* timers, Prng* prng);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Called before anything else and whenever a new snapshot is current. The engine keeps using
  // older ones for exchanges that began with them.
  void UseSnapshot(const config::Snapshot* snapshot, Instant now);
  // Once a turn: what other workers have said about hosts holds here from now on.
  void FollowBoard(Instant now);
  // The oldest snapshot sequence still in use: the agent may free those before it.
  uint64_t oldest_snapshot() const;

  // What the overload manager has decided: holds for what comes from now on. Any turn.
  void SetOverload(policy::OverloadActions actions);

  // Downstream. The id is invalid when the engine is full or overloaded (counted): the caller
  // resets the connection.
  ConnId OnAccept(const Accepted& accepted, Instant now);

  // Both directions. Bytes come in order; the engine owns them and tells by Action::kConsumed when
  // the receive window may open again.
  void OnBytes(ConnId conn, Chain bytes, Instant now);
  void OnEof(ConnId conn, Instant now);  // FIN: no more bytes will come
  // The connection is gone; the id is dead after this call. Not called after Action::kAbort or
  // kRelease. After kFinish and OnEof, when all is acknowledged, it comes with kFinished.
  void OnClosed(ConnId conn, CloseReason reason, Instant now);
  // Backpressure: false when more than limits::kTcpSendQueueBytes wait in TCP, true when half
  // drained.
  void OnSendQueue(ConnId conn, bool has_space, Instant now);

  // Upstream: the outcome of an Action::kConnect.
  void OnConnected(ConnId conn, const Connected& connected, Instant now);
  void OnConnectFailed(ConnId conn, ConnectError error, Instant now);  // the id is dead
  // How a TLS handshake ended: of a client of the listener, or of a kConnect whose id is still
  // alive. To be counted; OnAccept, OnConnected or OnConnectFailed follows.
  void CountDownstreamTls(uint32_t listener, const telemetry::TlsOutcome& outcome);
  void CountUpstreamTls(ConnId conn, const telemetry::TlsOutcome& outcome);

  // Datagrams: the endpoint for a new session, by the balancer of the cluster with this stable id.
  enum class Pick : uint8_t { kOk, kNoCluster, kNoHealthy };
  Pick PickEndpoint(uint32_t cluster, SockAddr* endpoint);

  void OnTimer(Timer& timer, Instant now);

  // SIGTERM or operator drain: finish what is under way, answer with Connection: close.
  void Drain(Instant now);
  // The time of day was set.
  void SetWallClock(WallClock clock);

  std::vector<Action>& actions() { return actions_; }
  // Finished requests and connections, for the access log; drained by the caller.
  std::vector<telemetry::AccessRecord>& records() { return records_; }

  const EngineCounters& counters() const { return counters_; }
  uint32_t conn_count() const;
  uint32_t exchange_count() const;
  // What has labels (clusters, istio_requests_total, response classes), for telemetry::Merge,
  // Render.
  void AppendSamples(std::vector<telemetry::Sample>* out) const;
  // Text of Envoy's /clusters for this worker.
  void AppendClusters(std::string* out) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  std::vector<Action> actions_;
  std::vector<telemetry::AccessRecord> records_;
  EngineCounters counters_;
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_ENGINE_H_
