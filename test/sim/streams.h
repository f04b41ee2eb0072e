// Opaque TCP between simulated machines: a stream is one connection on which each side sends a
// number of bytes that both know, reads fast or slowly, ends its half early or late, or resets.
// What a stream does follows from its number, so that the two ends need no other channel.
#ifndef MELTEMI_TEST_SIM_STREAMS_H_
#define MELTEMI_TEST_SIM_STREAMS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "l7/base/prng.h"
#include "test/sim/host.h"

namespace meltemi::sim {

struct StreamShape {
  size_t bytes_max = 32 * 1024;  // of each direction; small ones are as frequent as large ones
  int half_close_percent = 30;
  int slow_percent = 10;                      // of readers, each side
  int reset_percent = 0;                      // by either side, half of them each
  size_t slow_bytes = 4096;                   // a slow reader takes so many ...
  Duration slow_pause = Duration::Millis(2);  // ... and rests
};

struct StreamPlan {
  enum class Reset : uint8_t { kNone, kClient, kServer };
  size_t up_bytes = 0, down_bytes = 0;
  bool half_close = false;  // the client ends its half first, and the server sends only then
  bool client_slow = false, server_slow = false;
  Reset reset = Reset::kNone;
  Duration reset_after;  // the connection, or its first bytes, came
};
StreamPlan StreamPlanOf(uint64_t id, const StreamShape& shape);

// What became of a stream, as its client saw it.
struct StreamOutcome {
  bool connected = false, reset_by_us = false, over = false;
  bool whole = false;  // every byte came, then the peer's FIN
  tcp::TcpError error = tcp::TcpError::kNone;
  size_t received = 0;
  Instant begun, ended;
};

// One end of a stream.
class StreamEnd {
 public:
  void Open(TcpId tcp, const StreamShape& shape, bool slow) {
    tcp_ = tcp;
    shape_ = shape;
    slow_ = slow;
  }
  void WillSend(uint64_t key, size_t bytes, std::string_view before = {});
  void WillReceive(uint64_t key, size_t bytes) {
    in_key_ = key;
    to_receive_ = bytes;
  }
  // Hands TCP what it takes.
  void Pump(Host& host, Instant now);
  // False: not what the other end was to send.
  bool Receive(Host& host, std::string_view bytes, Instant now);
  // Tells TCP what a slow reader has read by now. Returns when it reads again.
  Instant Read(Host& host, Instant now);
  void Finish(Host& host, Instant now);

  TcpId tcp() const { return tcp_; }
  bool sent_all() const { return sent_ == to_send_ && before_.empty(); }
  bool received_all() const { return received_ == to_receive_; }
  size_t received() const { return received_; }
  bool finished() const { return finished_; }
  void SetWritable() { writable_ = true; }

 private:
  TcpId tcp_;
  StreamShape shape_;
  uint64_t out_key_ = 0, in_key_ = 0;
  size_t to_send_ = 0, sent_ = 0, to_receive_ = 0, received_ = 0;
  size_t unread_ = 0;
  Instant read_at_;
  std::string before_;
  bool slow_ = false, writable_ = true, finished_ = false;
};

struct StreamClientOptions {
  std::vector<SockAddr> services;  // dialled in turn
  uint64_t first_id = 0;
  uint64_t stream_count = 0;
  int connection_count = 1;  // at once
  Duration spread;           // they begin within this time of the start
  StreamShape shape;
  uint64_t seed = 1;
};

class StreamClient final : public App {
 public:
  StreamClient(const StreamClientOptions& options, Instant now);

  bool Listens(const SockAddr&) const override { return false; }
  void OnEvent(Host& host, tcp::TcpEvent& event, Instant now) override;
  Instant OnTurn(Host& host, Instant now) override;

  bool done() const { return over_ == options_.stream_count; }
  const std::vector<StreamOutcome>& outcomes() const { return outcomes_; }  // by id - first_id
  const StreamClientOptions& options() const { return options_; }
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  struct Slot {
    bool busy = false, open = false, eof = false;
    uint64_t id = 0;
    StreamPlan plan;
    StreamEnd end;
    Instant reset_at = Instant::Never();
    Instant ready_at;
  };
  void Begin(Host& host, size_t index, Instant now);
  Instant Drive(Host& host, Slot* slot, Instant now);
  void End(Slot* slot, tcp::TcpError error, Instant now);
  StreamOutcome& At(uint64_t id) { return outcomes_[id - options_.first_id]; }

  const StreamClientOptions options_;
  Prng prng_;
  std::vector<Slot> slots_;
  std::vector<StreamOutcome> outcomes_;
  std::vector<std::string> errors_;
  uint64_t next_ = 0, over_ = 0;
};

struct StreamServerOptions {
  std::string name;
  uint16_t port = 9090;
  StreamShape shape;  // the clients'
};

class StreamServer final : public App {
 public:
  explicit StreamServer(const StreamServerOptions& options) : options_(options) {}

  bool Listens(const SockAddr& local) const override { return local.port == options_.port; }
  void OnEvent(Host& host, tcp::TcpEvent& event, Instant now) override;
  Instant OnTurn(Host& host, Instant now) override;

  size_t conn_count() const { return conns_.size(); }
  uint64_t whole_count() const { return whole_count_; }  // streams that came whole, with their FIN
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  struct Conn {
    std::string head;  // the stream's number, until it is complete
    bool known = false, eof = false;
    uint64_t id = 0;
    StreamPlan plan;
    StreamEnd end;
    Instant reset_at = Instant::Never();
  };
  void OnData(Host& host, TcpId id, Conn* conn, std::string bytes, Instant now);
  void Know(Conn* conn, TcpId tcp, Instant now);
  void OnEof(Conn* conn);

  const StreamServerOptions options_;
  std::map<uint64_t, Conn> conns_;  // by TcpId
  std::vector<std::string> errors_;
  uint64_t whole_count_ = 0;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_STREAMS_H_
