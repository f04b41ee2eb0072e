// The engine's two tables: connections and exchanges. State only; impl.h has what is done with it.
//
// A connection is downstream (a client's) or upstream (a pool's, or a TCP proxy's other half). An
// exchange is one request and its response: it belongs to its downstream connection from the
// request's head to the end of the response, and to an upstream connection while an attempt runs.
// Bytes that cannot go on yet stay in Conn::in, undecoded and not reported as consumed: the peer's
// window closes. There is no other body buffer but `replay`.
//
// HTTP/2: the TCP connection is one Conn (kHttp2Down, kHttp2Up: a carrier), and each of its streams
// is a Conn of its own, a kHttpDown or kHttpUp like any other, whose bytes are a body's.
#ifndef MELTEMI_L7_ENGINE_STATE_H_
#define MELTEMI_L7_ENGINE_STATE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/inlined_vector.h"
#include "l7/base/handle.h"
#include "l7/base/ip_addr.h"
#include "l7/base/slice.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"
#include "l7/cluster/cluster.h"
#include "l7/config/snapshot.h"
#include "l7/engine/message_reader.h"
#include "l7/engine/retry.h"
#include "l7/engine/stats.h"
#include "l7/http/message.h"
#include "l7/http2/session.h"
#include "l7/telemetry/access_record.h"
#include "l7/telemetry/peer.h"

namespace meltemi::engine {

using ExchangeId = Handle<struct ExchangeTag>;

enum class TimerKind : uint8_t {
  kConnIdle,     // subject: ConnId
  kRequestHead,  // ConnId
  kResponse,     // ExchangeId, as all below: the route's timeout
  kPerTry,
  kStreamIdle,  // or max_stream_duration
  kRequest,     // the whole request must have come
  kWait,        // a fault's delay, or the backoff before a retry
  kEjected,     // no subject: hosts that outlier detection keeps out may come back
  kHealth,      // stable id of a host: its next active health check, or the timeout of one
};

inline Timer MakeTimer(TimerKind kind, uint64_t subject) {
  return Timer(TimerOwner::kL7, static_cast<uint8_t>(kind), subject);
}

// Who has shown a certificate: one for all connections that are alike. Its counts are of one
// worker.
struct CertifiedPeer {
  telemetry::PeerIdentity peer;
  std::string cert, chain;  // as in x-forwarded-client-cert; empty: not to be told
  std::string key;
  uint32_t uses = 0;
};

// The TCP proxy's part of a downstream connection.
struct TcpHalf {
  uint32_t attempt_count = 0;
  uint64_t bytes_received = 0, bytes_sent = 0;
  uint32_t flags = 0;
  std::string_view details;
  std::string cluster_name;
  uint32_t cluster_id = 0;  // stable id
  bool cluster_known = false;
  SockAddr upstream_local, upstream_remote;
};

// A connection for active health checks.
struct ProbeHalf {
  uint32_t host = 0;  // stable id, in Impl::probes_
};

// The carrier's part of an HTTP/2 connection.
struct Http2Half {
  Http2Half(const http2::SessionOptions& options, http2::HpackMemory* memory, BufferPool* pool)
      : session(options, memory, pool) {}
  http2::Session session;
  absl::btree_map<uint32_t, ConnId> streams;  // in order: what is told to all is told the same way
  bool flush_due = false;                     // in Impl::flush_
};

struct Conn {
  enum class Kind : uint8_t { kHttpDown, kHttpUp, kTcpDown, kTcpUp, kHttp2Down, kHttp2Up, kProbe };
  Conn(Kind kind_in, Instant now)
      : kind(kind_in),
        timer(TimerOwner::kL7, static_cast<uint8_t>(TimerKind::kConnIdle)),
        opened(now) {}

  Kind kind;
  bool eof = false;        // the peer has sent FIN
  bool has_space = true;   // for writing
  bool connected = false;  // upstream: SYN answered
  bool finished = false;   // we have sent FIN
  bool gone = false;       // closed by TCP: no action may name it any more
  bool drain = false;      // downstream: close after the response
  bool secure = false;     // with TLS
  bool gateway = false;    // downstream: `identity` is ours, the client is somebody else
  ConnId id;
  Chain in;
  Timer timer;
  Instant opened;
  SockAddr local, remote;

  // HTTP, either side.
  ExchangeId exchange;
  ConnId carrier;                    // of a stream
  uint32_t stream = 0;               // its number; 0: not opened yet
  bool admitted = false;             // a client's: AdmitConnection let it in
  bool sniff = false;                // downstream: the first bytes decide between HTTP/1 and HTTP/2
  bool idle = false;                 // upstream: in host->idle
  std::unique_ptr<Http2Half> http2;  // of a carrier

  bool is_stream() const { return carrier.valid(); }

  // Downstream.
  uint32_t listener = config::kNoIndex;        // in `snapshot`
  const config::Snapshot* snapshot = nullptr;  // the newest, or pinned when `listener_gone`
  bool listener_gone = false;
  std::string listener_name;
  telemetry::FixedText<64> source;
  // In Impl::identities_; 0: none. Downstream: the client's. Upstream: whose certificate it shows,
  // so that nobody else's requests may use it.
  uint32_t identity = 0;

  // Who is at the other end: Impl::PeerOf knows how to read it.
  uint32_t principal = 0;        // in Impl::principals_, for metrics; 0: none
  uint32_t own_principal = 0;    // downstream, where a listener has one: our own, likewise
  uint32_t server_identity = 0;  // in Impl::identities_; upstream: the mesh's own connection to a
                                 // pod of this node, which has no TLS
  telemetry::TlsSession session;
  CertifiedPeer* certified = nullptr;  // in Impl::certified_
  // Of a client, where rules may look at it, now or later: it is not asked again.
  std::unique_ptr<const std::string> sni;

  // Upstream.
  cluster::Cluster* cluster = nullptr;
  cluster::Host* host = nullptr;
  uint32_t request_count = 0;
  uint32_t tls = config::kNoTls;                         // it was opened with
  AttemptFailure broken = AttemptFailure::kTermination;  // how the upstream ended it

  // TCP proxy.
  ConnId peer;

  // What it is used for: downstream HTTP, upstream HTTP, the downstream half of a TCP proxy. Never
  // two of them, so they share their place; nothing for the carrier of streams.
  std::variant<std::monostate, RequestReader, ResponseReader, TcpHalf, ProbeHalf> part;
  RequestReader* requests() { return std::get_if<RequestReader>(&part); }
  ResponseReader* responses() { return std::get_if<ResponseReader>(&part); }
  TcpHalf* tcp() { return std::get_if<TcpHalf>(&part); }
};

struct Exchange {
  enum class State : uint8_t {
    kWaitDelay,   // fault injection
    kWaitRetry,   // backoff
    kQueued,      // the breaker allows no connection now
    kConnecting,  // `up` is being opened
    kForwarding,  // the head has been written to `up`
    kReplied,     // a local reply has been written: only the record is left to make
  };

  Exchange(BufferPool* pool, Instant now)
      : head(pool),
        response_timer(TimerOwner::kL7, static_cast<uint8_t>(TimerKind::kResponse)),
        try_timer(TimerOwner::kL7, static_cast<uint8_t>(TimerKind::kPerTry)),
        idle_timer(TimerOwner::kL7, static_cast<uint8_t>(TimerKind::kStreamIdle)),
        request_timer(TimerOwner::kL7, static_cast<uint8_t>(TimerKind::kRequest)),
        wait_timer(TimerOwner::kL7, static_cast<uint8_t>(TimerKind::kWait)),
        started(now) {}

  ExchangeId id;
  ConnId down, up;

  // What it was configured by: pinned.
  const config::Snapshot* snapshot = nullptr;
  const config::HttpManager* manager = nullptr;
  const config::VirtualHost* host_config = nullptr;
  const config::Route* route = nullptr;
  const config::Forward* forward = nullptr;
  const config::WeightedCluster* target = nullptr;
  const config::RouteTable* table = nullptr;

  // The request.
  http::RequestHead head;
  std::string_view authority;  // in `head`'s memory
  std::string_view path;       // as it goes upstream
  std::string_view original_path;
  telemetry::FixedText<64> forwarded_for;

  // All that is small, of every part, in one place: an exchange has its bytes counted.
  State state = State::kConnecting;
  http::Framing framing = http::Framing::kNone;  // as the response goes downstream
  bool request_complete = false;                 // all of it has come
  bool head_written = false;                     // of this attempt
  bool replay_whole = true;                      // `replay` has all of them
  bool out_of_memory = false;                    // while the head was prepared
  bool hashed = false;                           // `hash` is set
  bool cookie_made = false;                      // by a hash policy, for the response
  bool client_cert_changed = false;              // of this attempt only: `client_cert` was before
  bool mirror = false;                           // a copy itself: mirror.cc
  bool mirrored = false;                         // it has copies that still want its body
  bool raced = false;                            // a reuse race was repeated once already
  bool pending = false;                          // in cluster->rq_pending
  bool retry_counted = false;                    // in cluster->retries_active
  bool response_bytes = false;                   // this attempt has seen some
  bool response_started = false;                 // its head has been written downstream
  bool limited = false;                          // in Impl::limited_
  bool close_after = false;
  bool tunnel = false;        // the upstream has switched protocols: tunnel.cc
  bool reusable = false;      // the upstream keeps its connection open
  uint16_t abort_status = 0;  // fault injection: after the delay
  uint16_t status = 0;        // of the response
  uint32_t flags = 0;
  uint32_t attempt_count = 0, retry_count = 0;
  uint32_t duration_ms = 0;  // max_stream_duration, which idle_timer watches too; 0: no limit
  uint32_t listener = config::kNoIndex;  // in `snapshot`
  uint32_t server = 0;                   // Conn::principal of the upstream, of the last attempt
  Security security = Security::kNone;   // of the last attempt

  uint64_t hash = 0;                  // for a consistent balancer
  const char* cors_origin = nullptr;  // in `head`'s memory: of one that the CORS policy allows
  Chain replay;                       // body bytes sent upstream, kept for a retry
  RetryPlan retry;
  Duration timeout, idle_timeout;

  // The attempt.
  cluster::Cluster* cluster = nullptr;           // while an attempt or a backoff holds it
  cluster::Host* host = nullptr;                 // while an attempt runs
  absl::InlinedVector<cluster::Host*, 4> tried;  // compared, never read
  Instant attempt_started;
  SockAddr upstream_host, upstream_local;
  std::string_view client_cert;  // x-forwarded-client-cert before it was changed for an attempt
  std::unique_ptr<telemetry::PeersRecord> peers;  // where a log asks for it

  // The response.
  telemetry::FixedText<96> details;
  std::string_view failure;  // upstream transport failure reason, a literal
  uint64_t bytes_received = 0, bytes_sent = 0;
  Duration service_time = Duration::Nanos(-1);

  Timer response_timer, try_timer, idle_timer, request_timer, wait_timer;
  std::array<Timer*, 5> timers() {
    return {&response_timer, &try_timer, &idle_timer, &request_timer, &wait_timer};
  }
  Instant started;
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_STATE_H_
