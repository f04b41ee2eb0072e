// Engine::Impl: the tables and the steps. Each step is a function on ids; a step may end the
// exchange or the connection it was given, so callers look ids up again after calling one.
//
// Files by idea: engine.cc (the door), downstream.cc (requests in, connection's end), response.cc
// (responses out), forward.cc (route to attempt), upstream.cc (connections and pools), attempt.cc
// (outcomes and retries), access.cc (who may do what), peer.cc (who is at the other end),
// mirror.cc, cors.cc, http2.cc (sessions and streams), local_reply.cc, timers.cc, tcp_proxy.cc,
// tunnel.cc (upgrades), stats.cc, health.cc (active health checks), rate_limit.cc, overload.cc.
#ifndef MELTEMI_L7_ENGINE_IMPL_H_
#define MELTEMI_L7_ENGINE_IMPL_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "l7/base/slot_map.h"
#include "l7/cluster/cluster.h"
#include "l7/engine/engine.h"
#include "l7/engine/health.h"
#include "l7/engine/rate_limit.h"
#include "l7/engine/state.h"
#include "l7/engine/stats.h"
#include "l7/http/reject.h"
#include "l7/policy/rbac.h"
#include "l7/route/match.h"

namespace meltemi::engine {

class Engine::Impl {
 public:
  Impl(Engine* engine, const EngineOptions& options, BufferPool* pool, TimerWheel* timers,
       Prng* prng);
  ~Impl();

  // engine.cc
  void UseSnapshot(const config::Snapshot* snapshot, Instant now);
  bool BoardChanged() const { return clusters_.BoardChanged(); }
  void FollowBoard();  // health.cc
  uint64_t oldest_snapshot() const;
  ConnId OnAccept(const Accepted& accepted, Instant now);
  void OnBytes(ConnId id, Chain bytes, Instant now);
  void OnEof(ConnId id, Instant now);
  void OnClosed(ConnId id, CloseReason reason, Instant now);
  void OnSendQueue(ConnId id, bool has_space, Instant now);
  void OnConnected(ConnId id, const Connected& connected, Instant now);
  void OnConnectFailed(ConnId id, ConnectError error, Instant now);
  void OnTimer(Timer& timer, Instant now);  // timers.cc
  void Drain();
  void SetWallClock(WallClock clock) { wall_clock_ = clock; }
  void SetOverload(policy::OverloadActions actions) { overload_ = actions; }
  void Settle(Instant now);  // what pipelined requests wait for, after each event
  Pick PickEndpoint(uint32_t cluster, SockAddr* endpoint);  // upstream.cc
  uint32_t conn_count() const { return conns_.size(); }
  uint32_t exchange_count() const { return exchanges_.size(); }
  // stats.cc
  void CountDownstreamTls(uint32_t listener, const telemetry::TlsOutcome& outcome);
  void CountUpstreamTls(ConnId id, const telemetry::TlsOutcome& outcome);
  void AppendSamples(std::vector<telemetry::Sample>* out) const;
  void AppendClusters(std::string* out) const;

 private:
  struct LocalReply {
    uint16_t status = 503;
    std::string_view body;
    std::string_view details;
    uint32_t flags = 0;
    std::string_view location;          // redirects
    bool overloaded = false;            // x-envoy-overloaded: true
    bool preflight = false;             // of CORS
    std::string_view grpc_status = {};  // to calls; empty: by `status`
  };

  // engine.cc: actions and tables
  void SendSpace(Conn& conn, Instant now);
  void Write(Conn& conn, Chain bytes);
  void Consume(Conn& conn, size_t byte_count);
  void Emit(Action::Kind kind, ConnId conn);
  // The connection leaves the table; `kind` is kAbort, kRelease, or nothing when it is gone
  // already.
  void EndConn(Conn& conn, Action::Kind kind);
  void ForgetConn(Conn& conn);
  void Pin(const config::Snapshot* snapshot);
  void Unpin(const config::Snapshot* snapshot);
  void CloseAll(const std::vector<ConnId>& upstreams);
  void FollowSnapshot(Conn& conn, const config::Snapshot* snapshot);
  uint32_t Successor(Conn& conn, const config::Snapshot& snapshot) const;
  const config::Listener& ListenerOf(const Conn& conn) const {
    return conn.snapshot->listeners[conn.listener];
  }
  const config::HttpManager& ManagerOf(const Conn& conn) const {
    return std::get<config::HttpManager>(ListenerOf(conn).filter);
  }

  // downstream.cc
  void PumpDownstream(ConnId id, Instant now);
  bool StepDownstream(Conn& conn, Instant now);  // true: call again
  bool TakeRequestBody(Conn& conn, Exchange& x, Instant now);
  void DiscardRequestBody(Conn& conn, Exchange& x);
  void BeginExchange(Conn& conn, Instant now);
  void CountOnConnection(Conn& conn, const config::HttpManager& manager);
  void RefuseRequest(Conn& conn, http::Reject reject, Instant now);
  void RefuseWith(Conn& conn, const LocalReply& reply, Instant now);
  void OnRequestComplete(Exchange& x, Instant now);
  void DownstreamGone(ConnId id, Instant now);
  void AwaitRequest(Conn& conn, Instant now);

  // forward.cc
  void Route(Exchange& x, Instant now);
  bool ApplyFault(Exchange& x, Instant now);    // true: the exchange waits or has ended
  bool AbortByFault(Exchange& x, Instant now);  // true: it has been answered
  void BeginForward(Exchange& x, Instant now);
  void StartAttempt(Exchange& x, Instant now);
  void HashRequest(Exchange& x);
  static std::optional<Duration> DurationOf(const Exchange& x);
  static Duration TimeoutOf(const Exchange& x);
  void PrepareRequest(Exchange& x);
  void WriteRequest(Exchange& x, Instant now);
  std::string_view SchemeOf(const Exchange& x) const;
  // Of several lines the values joined, which `joined` keeps.
  static std::optional<std::string_view> HeaderOf(const Exchange& x, std::string_view name,
                                                  std::string* joined);
  route::RequestView ViewOf(const Exchange& x, route::HeaderLookup lookup) const;

  // cors.cc
  bool ApplyCors(Exchange& x, Instant now);  // true: it has been answered
  static const config::Cors* CorsOf(const Exchange& x);
  static bool AddCorsHeaders(const Exchange& x, bool preflight, http::HeaderBlock* headers);

  // rate_limit.cc
  static const config::LocalRateLimit* RateLimitOf(const Exchange& x);
  const config::TokenBucket* DescribedBucket(Exchange& x, const config::LocalRateLimit& limit);
  bool TakeToken(Exchange& x, const config::LocalRateLimit& limit, Instant now);
  bool LimitRate(Exchange& x, Instant now);  // true: it has been answered
  bool AddRateLimitHeaders(const Exchange& x, http::HeaderBlock* headers) const;
  bool LimitConnection(const config::Listener& listener, Instant now);

  // overload.cc
  bool Happens(policy::OverloadAction action);
  bool AdmitConnection();  // false: counted
  void LeaveConnection();
  bool ShedRequest(Exchange& x, Instant now);  // true: it has been answered

  // mirror.cc
  void StartWithMirrors(Exchange& x, Instant now);
  ExchangeId MakeMirror(const Exchange& x, const config::Mirror& mirror, Instant now);
  void BeNobody(const Conn& original, Conn& down, ConnId id, ExchangeId exchange);
  static void CopyHead(const Exchange& x, const config::Mirror& mirror, Exchange* y);
  void StartMirror(ExchangeId id, Instant now);
  void FeedMirrors(const Exchange& x, const Chain& body, Instant now);
  void EndMirrors(Exchange& x, const std::string& trailers);
  void ForgetMirrors(ExchangeId original, Instant now);
  void DropMirror(ExchangeId id, Instant now);

  // upstream.cc
  bool AttachUpstream(Exchange& x, Instant now);
  void BindUpstream(Exchange& x, Conn& up);
  bool EnterConnection(cluster::Cluster* cluster, cluster::Host* host, uint32_t owner);
  static void EndWait(Exchange& x);
  // The PROXY header, where the cluster wants one, of a connection for `down`; null: for no client.
  // False: there is no buffer for it.
  bool MakeProxyHeader(const cluster::Cluster& cluster, const Conn* down, Chain* out) const;
  // For `down`, whose OwnerOf `owner` is; null: for all clients of that one. In cluster->cx_active
  // it has been entered.
  ConnId OpenUpstream(cluster::Cluster* cluster, cluster::Host* host, Conn::Kind kind,
                      const Conn* down, uint32_t owner, Instant now);
  // Whose connection to the host it must be; 0: anybody's.
  static uint32_t OwnerOf(const cluster::Cluster& cluster, const cluster::Host& host,
                          const Conn& down);
  Conn* FindIdle(const cluster::Host& host, uint32_t owner);
  void UpstreamConnected(Conn& up, Instant now);
  void PumpUpstream(ConnId id, Instant now);
  bool StepUpstream(Conn& up, Exchange& x, Instant now);  // true: call again
  void RecycleUpstream(Conn& up, Instant now);            // idle list, a waiter, or closed
  void ServeWaiter(cluster::Cluster* cluster, cluster::Host* host, Instant now);
  void RemoveIdle(Conn& up);
  void UpstreamEnded(Conn& up, Exchange& x, Instant now);  // FIN or RST, all bytes before it read
  bool IsReuseRace(const Conn& up, const Exchange& x) const;

  // health.cc
  void LookAtChecks(Instant now);
  void EndProbe(HostProbe& probe);
  HostProbe* ProbeOf(const Conn& conn);  // null: it has ended
  void OnHealthTimer(uint32_t host, Instant now);
  void AskHost(HostProbe& probe, Instant now);
  void ProbeConnected(Conn& conn, Instant now);
  void ProbeConnectFailed(Conn& conn, Instant now);
  void BeginCheck(HostProbe& probe, Conn& conn, Instant now);
  void PumpProbe(ConnId id, Instant now);
  void DropProbeConn(HostProbe& probe);
  void FinishCheck(HostProbe& probe, health::Result result, Instant now);

  // access.cc
  // kAgain: of what was let in before; only a denial is counted.
  enum class Asked : uint8_t { kFirst, kAgain };
  bool Permits(const std::vector<config::Rbac>& filters, std::string_view http_prefix,
               const policy::RbacRequest& request, Asked asked = Asked::kFirst);
  void Deny(Exchange& x, Instant now);
  bool DenyHttp(Exchange& x, const config::Listener& listener, const telemetry::PeerIdentity* peer,
                const SockAddr& local, std::string_view sni, Instant now);
  bool DenyRequest(Exchange& x, Instant now);  // true: it has been answered, as is below
  bool DenyAttempt(Exchange& x, const cluster::Host& host, Instant now);
  bool PermitTcp(Conn& down, const std::vector<config::Rbac>& filters,
                 const telemetry::PeerIdentity* peer, const SockAddr& local, std::string_view sni,
                 Asked asked, Instant now);
  bool PermitTcpAttempt(Conn& down, const cluster::Cluster& cluster, const cluster::Host& host,
                        Asked asked, Instant now);
  static const config::Listener* GuardOf(const Conn& down, const config::Snapshot& snapshot,
                                         const SockAddr& address);
  static std::string_view SniOf(const Conn& down);
  static std::string_view SniTo(const config::Snapshot& snapshot, const cluster::Cluster& cluster,
                                const cluster::Host& host);

  // peer.cc
  // Who is at the other end; null: nobody knows. Lives as long as the connection (of a stream: as
  // its carrier), or the engine.
  const telemetry::PeerIdentity* PeerOf(const Conn& conn) const;
  // As whom what a pod or a gateway of this node sends goes on; null: as nobody. A pod's is its
  // peer; a gateway's peer is its client.
  const telemetry::PeerIdentity* SourceOf(const Conn& down) const;
  const Conn& CarrierOf(const Conn& conn) const;
  uint32_t IdentityOf(const config::Workload& source);
  uint32_t PrincipalOf(const std::string& principal);
  std::string_view PrincipalText(uint32_t principal) const;
  CertifiedPeer* Share(const telemetry::PeerIdentity& peer, std::string_view pem,
                       std::string_view chain_pem);
  void Unshare(CertifiedPeer* certified);
  void LearnClient(Conn& conn, const Accepted& accepted);
  void LearnServer(Conn& up, const Connected& connected);
  static Security SecurityOf(const Conn& server);
  // What a listener in front of a server says of the pair instead.
  void AsServer(const config::Listener& listener, const Conn& down, RequestStats::Pair* pair) const;
  bool NoteServer(Exchange& x, const Conn& up);  // of an attempt, before its head is written
  // x-forwarded-client-cert. False: out of memory.
  bool SetClientCert(Exchange& x);
  bool SetClientCertOfAttempt(Exchange& x, const Conn& server);
  std::unique_ptr<telemetry::PeersRecord> PeersOf(const Conn& down) const;
  static void AddUpstream(const Conn& up, const telemetry::PeerIdentity* peer,
                          std::unique_ptr<telemetry::PeersRecord>* record);

  // http2.cc
  bool Sniff(Conn& conn);
  void BecomeHttp2(Conn& down);
  void FlushLater(Conn& carrier);
  void Flush(ConnId id, Instant now);
  void EndCarrier(Conn& carrier, Instant now);
  void PumpHttp2(ConnId id, Instant now);
  void OnSessionEvent(Conn& carrier, http2::Event event, Instant now);
  void OnSessionError(Conn& carrier, Instant now);
  void PumpStream(ConnId id, Instant now);
  void BeginStream(Conn& carrier, Instant now);
  void StreamGone(ConnId id, Instant now);
  void StreamsGone(ConnId carrier, AttemptFailure how, Instant now);
  void CarrierGone(ConnId id, Instant now);
  void EndStream(Conn& stream, Action::Kind kind);
  void WatchIdle(Conn& carrier, Instant now);
  void DrainCarrier(Conn& carrier);
  void WriteStream(Conn& stream, Chain bytes);
  bool EndStreamBody(Conn& stream, std::string_view trailers);
  bool WriteStreamHead(Conn& stream, uint16_t status, const http::HeaderBlock& headers, bool end);
  void RemoveCarrier(Conn& carrier);
  Conn* FindCarrier(cluster::Host* host, uint32_t owner);
  bool HasCarrier(const cluster::Host& host, uint32_t owner);
  Conn* NewStream(Conn::Kind kind, const Conn& carrier, Instant now);
  bool WantCarrier(cluster::Cluster* cluster, cluster::Host* host, uint32_t owner, Instant now);
  void CarrierConnected(Conn& carrier, Instant now);
  bool OpenStream(Exchange& x, Conn& carrier, Instant now);
  bool WriteStreamRequest(const Exchange& x, Conn& stream, Instant now);
  void ServeHttp2(cluster::Cluster* cluster, cluster::Host* host, Instant now);
  void CarrierFailed(cluster::Host* host, uint32_t owner, AttemptFailure how, Instant now);

  // attempt.cc
  void Report(cluster::Cluster* cluster, cluster::Host* host, cluster::Outcome outcome,
              Instant now);      // outlier detection
  void LookAtEjected();          // arms the timer for it
  void EndAttempt(Exchange& x);  // lets go of the host's counts, not of the connection
  void DropUpstream(Exchange& x, Instant now);  // ends the attempt and closes its connection
  void AttemptFailed(Exchange& x, AttemptFailure failure, Instant now);
  bool TryRetry(Exchange& x, Instant now);
  bool RetryOnResponse(Conn& up, Exchange& x, const http::ResponseHead& head, Instant now);

  // response.cc
  bool WriteResponse(Exchange& x, http::ResponseHead head, Instant now);
  bool WriteResponseBody(Exchange& x, Chain body);
  void FinishResponse(Exchange& x, std::string_view trailers, Instant now);
  void AbortResponse(Exchange& x, uint32_t flag, std::string_view details, Instant now);
  void Touch(Exchange& x, Instant now);
  // Ends the exchange: record, statistics; the connection goes on, or is closed.
  void EndExchange(Exchange& x, Instant now);
  // The part of it that does not touch the downstream connection.
  void RetireExchange(Exchange& x, const Conn& down, Instant now);
  void CountRequest(Exchange& x, const Conn& down, Instant now);
  void MakeRecord(Exchange& x, const Conn& down, Instant now);

  // tunnel.cc
  static bool AllowsUpgrade(const Exchange& x);
  void RefuseUpgrade(Exchange& x, Instant now);
  static bool SwitchesAsAsked(const Exchange& x, const http::ResponseHead& head);
  // Hop-by-hop fields have been removed: these go on. False: out of memory.
  bool AskUpgrade(const Conn& down, std::string_view protocol, http::HeaderBlock* headers);
  static bool AnswerUpgrade(const Conn& down, std::string_view protocol,
                            http::HeaderBlock* headers);
  bool BeginTunnel(Exchange& x, http::ResponseHead head, Instant now);  // false: it has ended
  bool InTunnel(const Conn& conn) const {
    const Exchange* const x = exchanges_.Find(conn.exchange);
    return x != nullptr && x->tunnel;
  }
  size_t Relay(Conn& from, Conn& to);
  void PumpTunnel(Exchange& x, Instant now);
  void TunnelGone(Conn& conn, CloseReason reason, Instant now);
  void EndTunnel(Exchange& x, Action::Kind kind, Instant now);

  // local_reply.cc
  void Reply(Exchange& x, const LocalReply& reply, Instant now);
  void ReplyOverflow(Exchange& x, Instant now);
  bool WriteReply(Exchange& x, const LocalReply& reply, Conn& down, Instant now);
  bool WriteGrpcReply(const Exchange& x, const LocalReply& reply, Conn& down, Instant now);
  bool FinishReplyHeaders(const Exchange& x, Instant now, http::HeaderBlock* headers);
  std::string_view Date(Instant now);

  // timers.cc
  void OnConnTimer(TimerKind kind, Conn& conn, Instant now);
  void OnDurationOver(Exchange& x, Instant now);
  void OnExchangeTimer(TimerKind kind, Exchange& x, Instant now);

  // tcp_proxy.cc
  void BeginTcp(Conn& down, Instant now);
  void ConnectTcp(ConnId down, Instant now);
  void PumpTcp(ConnId from, Instant now);
  void TcpEof(ConnId id, Instant now);
  void FollowTcp(Conn& down, Instant now);
  void TcpConnectFailed(ConnId down, ConnectError error, Instant now);
  void TcpGone(ConnId id, CloseReason reason, Instant now);
  void EndTcp(ConnId down, Action::Kind kind, Instant now);
  void CountTcp(const Conn& down);
  void FailTcp(Conn& down, uint32_t flag, std::string_view details, Instant now);

  Engine* const engine_;
  const EngineOptions options_;
  WallClock wall_clock_;
  BufferPool* const pool_;
  TimerWheel* const timers_;
  Prng* const prng_;
  EngineCounters& counters_;

  const config::Snapshot* snapshot_ = nullptr;
  std::vector<std::pair<const config::Snapshot*, uint32_t>> pins_;  // oldest first
  bool draining_ = false;
  policy::OverloadActions overload_;
  http2::HpackMemory hpack_memory_;
  SlotMap<Conn, ConnId> conns_;
  SlotMap<Exchange, ExchangeId> exchanges_;
  cluster::ClusterSet clusters_;
  RateLimits rate_limits_;
  struct Limited {  // what responses are to say of a rate limit
    const config::LocalRateLimit* limit = nullptr;
    uint32_t tokens_max = 0, left = 0;
    int64_t reset_seconds = 0;
    bool refused = false;
  };
  absl::flat_hash_map<uint64_t, Limited> limited_;  // by exchange: those with Exchange::limited
  HostProbes probes_;                               // of hosts in clusters_
  Timer ejected_timer_{TimerOwner::kL7, static_cast<uint8_t>(TimerKind::kEjected)};
  std::vector<ConnId> closing_;  // scratch of UseSnapshot
  std::vector<ConnId> ready_;    // downstream connections with more requests to read
  std::vector<ConnId> flush_;    // HTTP/2 connections with something to send
  std::string date_;             // of date_second_, RFC 9110 5.6.7
  int64_t date_second_ = -1;
  uint32_t mirror_count_ = 0;  // exchanges that are copies
  // Of originals whose body has not come whole: the copies that want it.
  absl::flat_hash_map<uint64_t, absl::InlinedVector<ExchangeId, 2>> mirrors_of_;
  RequestStats stats_;
  RbacStats rbac_stats_;
  // Identities of workloads of this node, each once, never forgotten; at most
  // limits::kLocalIdentitiesMax.
  struct Identity {
    uint32_t id = 0, principal = 0;
    telemetry::PeerIdentity peer;
  };
  absl::node_hash_map<std::string, Identity> identity_ids_;
  std::vector<const Identity*> identities_;  // by id, minus 1
  // Principals of peers that metrics tell apart; at most limits::kPrincipalLabelsMax. The id behind
  // the last is all others'.
  absl::node_hash_map<std::string, uint32_t> principal_ids_;
  std::vector<const std::string*> principals_;                 // by id, minus 1
  absl::node_hash_map<std::string, CertifiedPeer> certified_;  // as many as connections at most
  std::string text_;                                           // scratch
  std::map<std::string, telemetry::TlsStats> listener_tls_;    // by address
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_IMPL_H_
