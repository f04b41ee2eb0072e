// The engine's test harness: the door driven by hand, in virtual time, every connection a fake that
// remembers what it was told. At the end of each test nothing may be left: no connection, exchange,
// timer or buffer.
#ifndef MELTEMI_L7_ENGINE_ENGINE_FIXTURE_H_
#define MELTEMI_L7_ENGINE_ENGINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "l7/base/heap_buffer_pool.h"
#include "l7/engine/engine.h"
#include "l7/telemetry/access_log.h"

namespace meltemi::engine {

inline SockAddr Address(uint8_t last, uint16_t port) {
  return {IpAddr::V4(0x0a000000u | last), port};
}

class EngineTest : public ::testing::Test {
 protected:
  struct FakeConn {
    SockAddr address;  // upstream: where to
    Duration timeout;  // upstream
    config::TcpKeepalive keepalive;
    uint32_t tls = 0;     // upstream
    std::string alpn;     // upstream
    std::string source;   // upstream: whose certificate
    std::string written;  // not yet taken by the test
    uint64_t consumed = 0;
    bool finished = false, aborted = false, released = false, reset = false;
    bool dead() const { return aborted || released || reset; }
  };

  explicit EngineTest(uint32_t allocation_max = 2048) : pool_(allocation_max), timers_(now_) {
    snapshot_ = MakeSnapshot(1, 1);
    // 2026-11-24T00:00:00Z
    options_.wall_clock.offset_nanos = 1'795'478'400'000'000'000;
    options_.conn_count_max = 64;
    options_.exchange_count_max = 32;
    options_.board = &board_;
  }

  void TearDown() override {
    if (engine_ == nullptr) return;
    CloseAll();
    EXPECT_EQ(engine_->conn_count(), 0u);
    EXPECT_EQ(engine_->exchange_count(), 0u);
    EXPECT_EQ(timers_.size(), 0u);
    for (const auto& [id, conn] : conns_) EXPECT_TRUE(id.valid());
    EXPECT_EQ(pool_.outstanding(), 0u);
    EXPECT_EQ(engine_->oldest_snapshot(), current_sequence_);
    Elsewhere node(options_.board);
    for (SharedCell* const cell : node.cells()) EXPECT_EQ(cell->Load(), 0u) << "a breaker's count";
  }

  // Another worker of the node, as "backend" sees it.
  class Elsewhere {
   public:
    explicit Elsewhere(cluster::Board* board) : board_(board), node_(board->JoinCluster(7)) {}
    ~Elsewhere() { board_->Leave(node_); }
    SharedCell& connections() { return node_->connections.cell; }
    SharedCell& pending() { return node_->pending.cell; }
    SharedCell& requests() { return node_->requests.cell; }
    SharedCell& retries() { return node_->retries.cell; }
    std::vector<SharedCell*> cells() {
      return {&connections(), &pending(), &requests(), &retries()};
    }

   private:
    cluster::Board* const board_;
    cluster::NodeCluster* const node_;
  };

  void CloseAll() {
    for (const auto& [id, conn] : conns_) {
      if (!conn.dead()) engine_->OnClosed(id, CloseReason::kPeerReset, now_);
    }
    Run();
  }

  // One HTTP listener (0) and one TCP listener (1); "/" goes to cluster "backend".
  static std::unique_ptr<config::Snapshot> MakeSnapshot(uint64_t sequence, int endpoint_count) {
    auto snapshot = std::make_unique<config::Snapshot>();
    snapshot->sequence = sequence;
    config::Cluster cluster;
    cluster.name = "outbound|80||backend.default.svc.cluster.local";
    cluster.stable_id = 7;
    for (int i = 0; i < endpoint_count; ++i) {
      config::Endpoint endpoint;
      endpoint.address = Address(static_cast<uint8_t>(10 + i), 8080);
      endpoint.stable_id = static_cast<uint32_t>(100 + i);
      cluster.endpoints.push_back(endpoint);
    }
    snapshot->clusters.push_back(std::move(cluster));

    config::RouteTable table;
    table.name = "80";
    config::VirtualHost host;
    host.name = "backend:80";
    host.domains = {"*"};
    host.routes.push_back(ForwardRoute("default", "/"));
    table.hosts.push_back(std::move(host));
    table.any = 0;
    snapshot->route_tables.push_back(std::move(table));

    config::HttpManager manager;
    manager.stat_prefix = "outbound_0.0.0.0_80";
    manager.route_table = 0;
    manager.fault_filter = true;
    manager.access_logs.push_back({"/dev/stdout", "x\n"});
    config::Listener http;
    http.name = "0.0.0.0_80";
    http.filter = std::move(manager);
    snapshot->listeners.push_back(std::move(http));

    config::TcpProxy proxy;
    proxy.stat_prefix = "tcp";
    proxy.clusters.push_back(Target());
    proxy.total_weight = 1;
    proxy.access_logs.push_back({"/dev/stdout", "x\n"});
    config::Listener tcp;
    tcp.name = "10.0.0.1_5000";
    tcp.filter = std::move(proxy);
    snapshot->listeners.push_back(std::move(tcp));
    return snapshot;
  }

  static config::WeightedCluster Target(uint32_t cluster = 0, uint32_t weight = 1) {
    config::WeightedCluster target;
    target.cluster = cluster;
    target.weight = weight;
    target.name = "outbound|80||backend.default.svc.cluster.local";
    return target;
  }

  static config::Route ForwardRoute(std::string name, std::string prefix) {
    config::Route route;
    route.name = std::move(name);
    route.match.path_value = std::move(prefix);
    config::Forward forward;
    forward.clusters.push_back(Target());
    forward.total_weight = 1;
    route.action = std::move(forward);
    return route;
  }

  config::HttpManager& manager() {
    return std::get<config::HttpManager>(snapshot_->listeners[0].filter);
  }
  config::TcpProxy& proxy() { return std::get<config::TcpProxy>(snapshot_->listeners[1].filter); }
  config::VirtualHost& host() { return snapshot_->route_tables[0].hosts[0]; }
  config::Route& route() { return host().routes[0]; }
  config::Forward& forward() { return std::get<config::Forward>(route().action); }
  config::Cluster& cluster() { return snapshot_->clusters[0]; }
  config::RetryPolicy& retry() {
    if (!forward().retry.has_value()) forward().retry.emplace();
    return *forward().retry;
  }

  Engine& engine() {
    if (engine_ == nullptr) {
      engine_ = std::make_unique<Engine>(options_, &pool_, &timers_, &prng_);
      Use(snapshot_.get());
    }
    return *engine_;
  }
  void Use(const config::Snapshot* snapshot) {
    current_sequence_ = snapshot->sequence;
    engine_->UseSnapshot(snapshot, now_);
    Run();
  }

  // The data plane's part: takes the actions.
  void Run() {
    std::vector<Action> actions = std::exchange(engine_->actions(), {});
    for (Action& action : actions) {
      FakeConn& conn = conns_[action.conn];
      EXPECT_FALSE(conn.dead()) << "an action for a dead connection";
      switch (action.kind) {
        case Action::Kind::kConnect:
          conn.address = action.address;
          conn.timeout = action.connect_timeout;
          conn.keepalive = action.keepalive;
          conn.tls = action.tls;
          conn.source = action.source;
          conn.alpn = action.alpn;
          conn.written = action.bytes.ToString();
          connecting_.push_back(action.conn);
          break;
        case Action::Kind::kWrite:
          EXPECT_FALSE(conn.finished);
          conn.written += action.bytes.ToString();
          break;
        case Action::Kind::kFinish:
          EXPECT_FALSE(conn.finished);
          conn.finished = true;
          break;
        case Action::Kind::kReset:
          conn.reset = true;
          break;
        case Action::Kind::kAbort:
          conn.aborted = true;
          break;
        case Action::Kind::kRelease:
          conn.released = true;
          break;
        case Action::Kind::kConsumed:
          conn.consumed += action.byte_count;
          break;
      }
    }
  }

  ConnId Accept(uint32_t listener = 0) { return Accept(Accepted{.listener = listener}); }
  ConnId AcceptTls(std::string_view alpn) {
    return Accept({.listener = 0, .secure = true, .alpn = alpn});
  }
  ConnId Accept(Accepted accepted) {
    accepted.local = Address(1, 80);
    accepted.remote = Address(2, 40'000);
    accepted.source = &workload_;
    const ConnId id = engine().OnAccept(accepted, now_);
    if (id.valid()) conns_[id];
    Run();
    return id;
  }
  void Send(ConnId id, std::string_view text) {
    Chain bytes;
    ASSERT_TRUE(AppendCopy(&pool_, text, &bytes));
    engine().OnBytes(id, std::move(bytes), now_);
    Run();
  }
  void Eof(ConnId id, Ending ending = Ending::kOrderly) {
    engine().OnEof(id, ending, now_);
    Run();
  }
  void Closed(ConnId id, CloseReason reason = CloseReason::kPeerReset) {
    conns_[id].aborted = true;
    // Nothing may be said to it any more: Run would notice.
    engine().OnClosed(id, reason, now_);
    Run();
  }
  void SendQueue(ConnId id, bool has_space) {
    engine().OnSendQueue(id, has_space, now_);
    Run();
  }
  // The oldest connection asked for and not answered yet.
  ConnId TakeConnect() {
    EXPECT_FALSE(connecting_.empty());
    if (connecting_.empty()) return ConnId{};
    const ConnId id = connecting_.front();
    connecting_.pop_front();
    return id;
  }
  ConnId Connect() {
    const ConnId id = TakeConnect();
    engine().OnConnected(id, {.local = Address(3, 50'000)}, now_);
    Run();
    return id;
  }
  void Refuse(ConnectError error = ConnectError::kRefused) {
    const ConnId id = TakeConnect();
    conns_[id].aborted = true;
    engine().OnConnectFailed(id, error, now_);
    Run();
  }
  void Advance(Duration d) {
    now_ = now_ + d;
    timers_.Advance(now_, [this](Timer& timer) { engine().OnTimer(timer, now_); });
    Run();
  }
  std::string Take(ConnId id) { return std::exchange(conns_[id].written, {}); }
  FakeConn& At(ConnId id) { return conns_[id]; }

  static std::string Get(std::string_view path = "/", std::string_view extra = "") {
    return std::string("GET ").append(path).append(" HTTP/1.1\r\nHost: backend\r\n").append(extra) +
           "\r\n";
  }
  static std::string Ok(std::string_view body, std::string_view extra = "") {
    return std::string("HTTP/1.1 200 OK\r\ncontent-length: ") + std::to_string(body.size()) +
           "\r\n" + std::string(extra) + "\r\n" + std::string(body);
  }
  static std::string Status(int code, std::string_view extra = "") {
    return "HTTP/1.1 " + std::to_string(code) + " X\r\ncontent-length: 0\r\n" + std::string(extra) +
           "\r\n";
  }
  static int StatusOf(std::string_view response) {
    return response.size() < 12 ? 0 : std::stoi(std::string(response.substr(9, 3)));
  }
  static std::string BodyOf(const std::string& response) {
    const size_t end = response.find("\r\n\r\n");
    return end == std::string::npos ? "" : response.substr(end + 4);
  }
  // The value of a header, "(none)" when it is not there.
  static std::string HeaderOf(const std::string& message, const std::string& name) {
    const size_t at = message.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "(none)";
    const size_t begin = at + name.size() + 4;
    return message.substr(begin, message.find("\r\n", begin) - begin);
  }
  // "flags details" of the last record.
  // The first statistic of that name; -1: there is none.
  double Sample(std::string_view name) {
    std::vector<telemetry::Sample> samples;
    engine().AppendSamples(&samples);
    for (const telemetry::Sample& sample : samples) {
      if (sample.name == name) return sample.value;
    }
    return -1;
  }
  std::string LastRecord() {
    if (engine().records().empty()) return "(none)";
    const telemetry::AccessRecord& r = engine().records().back();
    std::string text = std::to_string(r.response_code) + " ";
    telemetry::AppendResponseFlags(r.response_flags, &text);
    return text + " " + std::string(r.response_code_details.view());
  }
  // A request and its answer on a new pair of connections.
  std::string RoundTrip(ConnId down, std::string_view request, std::string_view response) {
    Send(down, request);
    const ConnId up = Connect();
    Take(up);
    Send(up, response);
    return Take(down);
  }

  cluster::Directory board_;
  EngineOptions options_;
  HeapBufferPool pool_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  TimerWheel timers_;
  Prng prng_{42};
  config::Workload workload_{.name = "productpage-v1", .ns = "default"};
  std::unique_ptr<config::Snapshot> snapshot_;
  std::unique_ptr<Engine> engine_;
  uint64_t current_sequence_ = 0;
  std::map<ConnId, FakeConn> conns_;
  std::deque<ConnId> connecting_;
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_ENGINE_FIXTURE_H_
