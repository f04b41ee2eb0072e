// Generator: the client side of a run. Opens connections, sends HTTP/1.1 requests by a schedule
// (open loop) or each after the answer to the one before (closed loop), times the answers.
//
//   connecting -> warming up -> measuring -> draining -> done
//
// Open loop: latency counts from the instant the schedule meant, so that waiting for a free
// connection or for a busy generator is part of it. A request that was not answered when the run
// ends counts as unfinished and its age goes into the histogram: it cannot be forgotten.
// Owns: its connections on a Stack. Must not know: clocks, ports; whether its
// connections have TLS is the Stack's, it only counts. Thread: the load thread; `now` is
// given. Bounds: `connections`; one request at a time on each.
#ifndef MELTEMI_BENCH_LOAD_GENERATOR_H_
#define MELTEMI_BENCH_LOAD_GENERATOR_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/load/message_reader.h"
#include "bench/load/schedule.h"
#include "bench/load/stack.h"

namespace meltemi::load {

enum class Reuse : uint8_t {
  kKeepAlive,
  kPerRequest,  // a new connection for each request, "connection: close"
};

enum class ClientTls : uint8_t {
  kOff,
  kFull,    // every handshake is a full one
  kResume,  // sessions are resumed where the server lets us
};

struct RunOptions {
  SockAddr target;
  ClientTls tls = ClientTls::kOff;
  std::string sni;            // empty: none is sent, and the certificate's names do not matter
  uint32_t connections = 64;  // open at once, at most
  double rate = 0;            // requests per second; 0: closed loop, as fast as answers come
  Arrival arrival = Arrival::kConstant;
  Reuse reuse = Reuse::kKeepAlive;
  uint64_t requests_per_connection = 0;  // then it stays idle; 0: no end. Keep-alive only
  Duration warmup = Duration::Millis(500);
  Duration duration = Duration::Seconds(5);
  Duration drain = Duration::Seconds(1);            // how long unanswered requests are waited for
  Duration connect_timeout = Duration::Seconds(5);  // of one; all of them at first: four times
  std::string host = "bench.test";                  // {} stands for 0 .. hosts-1
  uint32_t hosts = 1;
  std::string path = "/";  // {} stands for 0 .. paths-1
  uint32_t paths = 1;
  uint64_t request_bytes = 0;  // of the body; 0: GET, else POST
  uint64_t seed = 1;
};

// Why requests failed.
struct Errors {
  uint64_t connect = 0;     // refused, timed out, no route
  uint64_t handshake = 0;   // connected, and TLS failed
  uint64_t closed = 0;      // closed or reset before the answer was complete
  uint64_t status = 0;      // an answer other than 2xx
  uint64_t message = 0;     // not an HTTP/1.1 answer
  uint64_t unfinished = 0;  // no answer when the run ended
  uint64_t total() const { return connect + handshake + closed + status + message + unfinished; }
};

// Handshakes that have ended, in the whole run.
struct TlsCounts {
  uint64_t full = 0, resumed = 0, failed = 0;
  std::string cipher;  // of the last, OpenSSL's name
};

struct RunResult {
  uint64_t requests = 0;        // answered within the measured time
  uint64_t requests_total = 0;  // answered since the run began, warm-up and drain included
  uint64_t connections_opened = 0;
  uint64_t body_bytes = 0;  // of answers, measured time
  Duration measured;
  Errors errors;  // whole run
  TlsCounts tls;
  Histogram latency;    // from the intended instant (closed loop: from sending) to the last byte
  Histogram service;    // from sending to the last byte
  Histogram lateness;   // open loop: how long after the intended instant requests were sent
  std::string problem;  // why there is no result
};

class Generator {
 public:
  Generator(const RunOptions& options, Stack* stack, Instant now);
  ~Generator();

  // Handles the stack's events and sends what is due. True when anything was done.
  bool Turn(Instant now);
  bool done() const { return phase_ == Phase::kDone; }
  const RunResult& result() const { return result_; }
  uint32_t connection_count() const { return open_; }

 private:
  enum class Phase : uint8_t { kConnecting, kWarmup, kMeasuring, kDraining, kDone };
  enum class State : uint8_t { kClosed, kConnecting, kIdle, kBusy };
  static constexpr int kOpensPerTurn = 32;
  static constexpr Duration kReopenAfter = Duration::Millis(10);

  struct Conn {
    TcpId tcp;
    State state = State::kClosed;
    bool has_request = false;  // asked for, perhaps not sent yet
    MessageReader reader{MessageKind::kResponse};
    Chain in;
    Instant intended, sent;
    uint64_t requests = 0;
  };
  struct Reopen {
    Instant at;
    uint32_t conn;
  };

  bool MakeRequests();
  void OnEvent(tcp::TcpEvent& event, Instant now);
  void OnConnected(uint32_t index, Instant now);
  void OnBytes(uint32_t index, Chain bytes, Instant now);
  void OnAnswer(uint32_t index, const Message& message, Instant now);
  void Record(const Conn& conn, const Message& message, Instant now);

  void Advance(Instant now);
  void Measure(Instant now);
  bool OpenSome(Instant now);
  bool SendDue(Instant now);
  void Assign(uint32_t index, Instant intended, Instant now);
  void Open(uint32_t index, Instant now);
  void Send(Conn& conn, Instant now);
  void Free(uint32_t index, Instant now);
  void Lost(uint32_t index, uint64_t Errors::*why, Instant now);
  void Finish(Instant now);
  void CountUnfinished(Instant now);
  TlsCounts TlsNow() const;
  void CountTls();

  bool open_loop() const { return options_.rate > 0; }
  bool sending() const { return phase_ == Phase::kWarmup || phase_ == Phase::kMeasuring; }
  bool InMeasure(Instant t) const { return t >= measure_start_ && t < measure_end_; }

  const RunOptions options_;
  Stack* const stack_;
  const Instant begun_;
  const TlsCounts tls_before_;
  Phase phase_ = Phase::kConnecting;
  Instant measure_start_ = Instant::Never(), measure_end_ = Instant::Never();
  std::optional<Schedule> schedule_;
  std::vector<Slice> heads_;  // one per host and path
  Chain body_;
  uint64_t next_head_ = 0;
  std::vector<Conn> conns_;
  std::deque<uint32_t> free_;  // may take a request, longest idle first
  std::deque<uint32_t> unopened_;
  std::deque<Reopen> reopen_;
  uint32_t open_ = 0;
  uint32_t busy_ = 0;  // connections that have a request
  std::vector<tcp::TcpEvent> handling_;
  RunResult result_;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_GENERATOR_H_
