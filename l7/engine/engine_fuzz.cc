// Fuzz target: a script of events drives the Engine's door, within its contract. Whatever comes,
// nothing dies, no action names a dead connection, and at the end nothing is left.
//
// The script: one letter per event, then its operands.
//   a accept HTTP   t accept TCP   d I N bytes: N bytes on connection I   g I, r I: a request, a
//   response on I   e I: FIN   x I: reset   c I: connected   f I: connect failed   q I, Q I: send
//   queue full, drained   w N: N * 20 ms pass   s N: snapshot N % 3   D drain   u I N: a request
//   on I for an upgrade   U I: the answer that switches   k I: both directions of I have ended
//   S I N: what a server of HTTP/2 says first on I, or says next
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "l7/base/check.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/engine/engine.h"

namespace meltemi::engine {
namespace {

config::Route MakeRoute(std::string prefix) {
  config::Route route;
  route.match.path_value = std::move(prefix);
  config::Forward forward;
  forward.clusters.push_back({.cluster = 0, .weight = 1, .name = "c", .headers = {}});
  forward.total_weight = 1;
  forward.timeout = Duration::Millis(500);
  config::RetryPolicy& retry = forward.retry.emplace();
  retry.on = config::RetryPolicy::k5xx | config::RetryPolicy::kConnectFailure;
  retry.retry_count_max = 2;
  retry.per_try_timeout = Duration::Millis(200);
  retry.previous_hosts = true;
  retry.host_selection_attempt_count_max = 3;
  route.action = std::move(forward);
  return route;
}

config::HttpManager MakeManager() {
  config::HttpManager manager;
  manager.route_table = 0;
  manager.fault_filter = true;
  manager.normalize_path = true;
  manager.use_remote_address = true;
  manager.upgrades = {{"websocket", true}, {"connect", true}};
  manager.http2.allow_connect = true;
  manager.http2.keepalive.emplace() = {.interval = Duration::Millis(400),
                                       .timeout = Duration::Millis(100)};
  manager.stream_idle_timeout = Duration::Millis(900);
  manager.request_headers_timeout = Duration::Millis(300);
  manager.idle_timeout = Duration::Seconds(2);
  manager.access_logs.push_back({"/dev/null", "\n"});
  return manager;
}

config::VirtualHost MakeHost(uint64_t sequence, uint32_t endpoint_count) {
  config::VirtualHost host;
  config::Route faulty = MakeRoute("/f");
  faulty.fault = config::Fault{.delay_fraction = config::Fraction{50, 100},
                               .delay = Duration::Millis(100),
                               .abort_fraction = config::Fraction{50, 100},
                               .abort_status = 503,
                               .headers = {}};
  host.routes.push_back(std::move(faulty));
  config::Route direct = MakeRoute("/d");
  direct.action = config::DirectResponse{200, "direct"};
  host.routes.push_back(std::move(direct));
  config::Route connect = MakeRoute("");
  connect.match.path = config::RouteMatch::Path::kConnect;
  std::get<config::Forward>(connect.action).ends_connect = sequence == 1;
  host.routes.push_back(std::move(connect));
  host.routes.push_back(MakeRoute("/"));
  if (endpoint_count == 0) {
    for (config::Route& route : host.routes) {
      if (auto* forward = std::get_if<config::Forward>(&route.action)) {
        forward->clusters[0].cluster = config::kNoIndex;
      }
    }
  }
  if (sequence == 3) {
    auto& forward = std::get<config::Forward>(host.routes.back().action);
    forward.mirrors.emplace_back().target = forward.clusters[0];
  }
  return host;
}

std::unique_ptr<config::Snapshot> MakeSnapshot(uint64_t sequence, uint32_t endpoint_count) {
  auto snapshot = std::make_unique<config::Snapshot>();
  snapshot->sequence = sequence;
  config::Cluster cluster;
  cluster.name = "c";
  cluster.lb = config::LbPolicy::kLeastRequest;
  cluster.requests_per_connection_max = 3;
  cluster.breaker = {.connections_max = 3, .pending_max = 4, .requests_max = 8, .retries_max = 2};
  for (uint32_t i = 0; i < endpoint_count; ++i) {
    config::Endpoint endpoint;
    endpoint.address = {IpAddr::V4(0x0a000001 + i), 80};
    endpoint.stable_id = i;
    cluster.endpoints.push_back(endpoint);
  }
  if (sequence == 3) {
    cluster.http2.emplace().keepalive.emplace() = {.timeout = Duration::Millis(100),
                                                   .connection_idle = Duration::Millis(20)};
    cluster.follows_client = true;
    snapshot->spoken[cluster.endpoints[1].address] = config::Spoken::kHttp2;
    snapshot->spoken[cluster.endpoints[2].address] = config::Spoken::kHttp1;
  }
  if (endpoint_count > 0) snapshot->clusters.push_back(std::move(cluster));
  config::RouteTable table;
  table.hosts.push_back(MakeHost(sequence, endpoint_count));
  table.any = 0;
  snapshot->route_tables.push_back(std::move(table));
  config::Listener http;
  http.name = "http";
  http.filter = MakeManager();
  config::Listener tcp;
  tcp.name = "tcp";
  config::TcpProxy proxy;
  proxy.clusters.push_back({.cluster = endpoint_count == 0 ? config::kNoIndex : 0,
                            .weight = 1,
                            .name = "c",
                            .headers = {}});
  proxy.total_weight = 1;
  proxy.connect_attempt_count_max = 2;
  proxy.idle_timeout = Duration::Seconds(1);
  tcp.filter = std::move(proxy);
  snapshot->listeners.push_back(std::move(http));
  // The last one has no TCP listener, so that its connections lose theirs.
  if (sequence != 3) snapshot->listeners.push_back(std::move(tcp));
  return snapshot;
}

constexpr std::string_view kRequests[] = {
    "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET /d HTTP/1.1\r\nhost: a\r\n\r\nGET /f HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "HEAD /f HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
};
constexpr std::string_view kResponses[] = {
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil close",
    "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome",
};

constexpr std::string_view kUpgrades[] = {
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nearly",
    "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    "content-length: 5\r\n\r\nhello",
    "GET /f HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\nearly",
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
    "http2-settings: AAMAAABkAAQAAP__\r\n\r\n",
};
// SETTINGS that take extended CONNECT; SETTINGS; 200 on stream 1; its END_STREAM; its reset.
constexpr std::string_view kHttp2Server[] = {
    {"\0\0\6\4\0\0\0\0\0\0\x8\0\0\0\1", 15}, {"\0\0\0\4\0\0\0\0\0", 9},
    {"\0\0\1\1\4\0\0\0\1\x88", 10},          {"\0\0\0\0\1\0\0\0\1", 9},
    {"\0\0\4\3\0\0\0\0\1\0\0\0\x8", 13},
};
constexpr std::string_view kSwitching =
    "HTTP/1.1 101 OK\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nframes";

class Script {
 public:
  Script(const uint8_t* data, size_t size) : data_(data), size_(size) {
    for (uint64_t i = 0; i < 3; ++i) {
      snapshots_.push_back(MakeSnapshot(i + 1, i == 1 ? 0 : 2 + static_cast<uint32_t>(i)));
    }
    engine_.UseSnapshot(snapshots_[0].get(), now_);
  }

  void Run() {
    while (at_ < size_) {
      Step();
      TakeActions();
    }
    for (size_t i = 0; i < conns_.size(); ++i) {
      if (!conns_[i].alive) continue;
      conns_[i].alive = false;
      if (conns_[i].connected) {
        engine_.OnClosed(conns_[i].id, CloseReason::kPeerReset, now_);
      } else {
        engine_.OnConnectFailed(conns_[i].id, ConnectError::kRefused, now_);
      }
      TakeActions();
    }
    CHECK(engine_.conn_count() == 0);
    CHECK(engine_.exchange_count() == 0);
    CHECK(timers_.size() == 0);
    CHECK(pool_.outstanding() == 0);
  }

 private:
  struct Conn {
    ConnId id;
    bool alive = true, connected = true, eof = false, finished = false;
    uint64_t given = 0, consumed = 0;
  };

  uint8_t Byte() { return at_ < size_ ? data_[at_++] : 0; }
  Conn* Pick() {
    const uint8_t index = Byte();
    if (conns_.empty()) return nullptr;
    Conn& conn = conns_[index % conns_.size()];
    return conn.alive ? &conn : nullptr;
  }
  void Give(Conn* conn, std::string_view text) {
    if (conn == nullptr || !conn->connected || conn->eof) return;
    Chain bytes;
    CHECK(AppendCopy(&pool_, text, &bytes));
    conn->given += text.size();
    engine_.OnBytes(conn->id, std::move(bytes), now_);
  }
  void Accept(uint32_t listener) {
    if (listener >= snapshots_[current_]->listeners.size()) return;
    Accepted accepted;
    accepted.listener = listener;
    accepted.local = {IpAddr::V4(1), 80};
    accepted.remote = {IpAddr::V4(2), 4000};
    const ConnId id = engine_.OnAccept(accepted, now_);
    if (id.valid()) conns_.push_back({.id = id});
  }
  void Say(uint8_t op);
  void Step();
  void TakeActions();

  const uint8_t* const data_;
  const size_t size_;
  size_t at_ = 0;
  HeapBufferPool pool_;
  Instant now_ = Instant::FromNanos(1'000'000);
  TimerWheel timers_{now_};
  Prng prng_{11};
  std::vector<std::unique_ptr<config::Snapshot>> snapshots_;
  size_t current_ = 0;
  Engine engine_{
      {.conn_count_max = 40, .exchange_count_max = 12, .wall_clock = {}}, &pool_, &timers_, &prng_};
  std::vector<Conn> conns_;
};

void Script::Say(uint8_t op) {
  Conn* const conn = Pick();
  if (op == 'U') return Give(conn, kSwitching);
  const size_t n = Byte();
  if (op == 'g') return Give(conn, kRequests[n % std::size(kRequests)]);
  if (op == 'r') return Give(conn, kResponses[n % std::size(kResponses)]);
  if (op == 'S') return Give(conn, kHttp2Server[n % std::size(kHttp2Server)]);
  if (op == 'u') return Give(conn, kUpgrades[n % std::size(kUpgrades)]);
  const size_t have = n < size_ - at_ ? n : size_ - at_;
  const std::string_view text(reinterpret_cast<const char*>(data_ + at_), have);
  at_ += have;
  if (have > 0) Give(conn, text);
}

void Script::Step() {
  const uint8_t op = Byte();
  switch (op) {
    case 'a':
      return Accept(0);
    case 't':
      return Accept(1);
    case 'd':
    case 'g':
    case 'r':
    case 'u':
    case 'U':
    case 'S':
      return Say(op);
    case 'k':
      if (Conn* conn = Pick(); conn != nullptr && conn->eof && conn->finished) {
        conn->alive = false;
        engine_.OnClosed(conn->id, CloseReason::kFinished, now_);
      }
      return;
    case 'e':
    case 'E':
      if (Conn* conn = Pick(); conn != nullptr && conn->connected && !conn->eof) {
        conn->eof = true;
        engine_.OnEof(conn->id, op == 'E' ? Ending::kCut : Ending::kOrderly, now_);
      }
      return;
    case 'x':
      if (Conn* conn = Pick(); conn != nullptr && conn->connected) {
        conn->alive = false;
        engine_.OnClosed(conn->id, CloseReason::kPeerReset, now_);
      }
      return;
    case 'c':
      if (Conn* conn = Pick(); conn != nullptr && !conn->connected) {
        conn->connected = true;
        engine_.OnConnected(conn->id, {.local = {IpAddr::V4(9), 9}}, now_);
      }
      return;
    case 'f':
      if (Conn* conn = Pick(); conn != nullptr && !conn->connected) {
        conn->alive = false;
        engine_.OnConnectFailed(conn->id, ConnectError::kRefused, now_);
      }
      return;
    case 'q':
    case 'Q':
      if (Conn* conn = Pick(); conn != nullptr && conn->connected) {
        engine_.OnSendQueue(conn->id, op == 'Q', now_);
      }
      return;
    case 'w':
      now_ = now_ + Duration::Millis(20) * Byte();
      timers_.Advance(now_, [this](Timer& timer) { engine_.OnTimer(timer, now_); });
      return;
    case 's':
      current_ = Byte() % snapshots_.size();
      engine_.UseSnapshot(snapshots_[current_].get(), now_);
      return;
    case 'D':
      engine_.Drain(now_);
      return;
    default:
      return;
  }
}

void Script::TakeActions() {
  std::vector<Action> actions = std::exchange(engine_.actions(), {});
  engine_.records().clear();
  for (Action& action : actions) {
    if (action.kind == Action::Kind::kConnect) {
      conns_.push_back({.id = action.conn, .connected = false});
      continue;
    }
    Conn* conn = nullptr;
    for (Conn& c : conns_) {
      if (c.id == action.conn) conn = &c;
    }
    CHECK(conn != nullptr && conn->alive);
    if (action.kind == Action::Kind::kAbort || action.kind == Action::Kind::kReset ||
        action.kind == Action::Kind::kRelease) {
      conn->alive = false;
    } else if (action.kind == Action::Kind::kConsumed) {
      conn->consumed += action.byte_count;
      CHECK(conn->consumed <= conn->given);
    } else {
      CHECK(conn->connected && !conn->finished);
      conn->finished = action.kind == Action::Kind::kFinish;
    }
  }
}

}  // namespace
}  // namespace meltemi::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  meltemi::engine::Script(data, size).Run();
  return 0;
}
