// HttpClient: a simulated client pod. Some connections at once, on each one request after the other
// (or a few pipelined), then a new connection; verifies every reply byte for byte and remembers
// what became of each request.
#ifndef MELTEMI_TEST_SIM_HTTP_CLIENT_H_
#define MELTEMI_TEST_SIM_HTTP_CLIENT_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "l7/base/prng.h"
#include "test/sim/host.h"
#include "test/sim/http_text.h"

namespace meltemi::sim {

struct ClientOptions {
  std::vector<SockAddr> services;         // dialled in turn
  std::string host = "shop";              // the authority
  std::vector<std::string> prefixes{""};  // of paths: request n uses prefixes[n % size]
  uint64_t first_id = 0;                  // numbers are of the whole simulation
  uint64_t request_count = 1000;
  int connection_count = 16;
  int requests_per_connection = 10;  // mean; 1: a connection per request
  int pipeline_max = 1;
  Duration think_max;      // between a reply and the next request
  Duration spread;         // connections begin within this time of the start
  bool keep_open = false;  // when all requests are done, connections stay open and idle
  Shape shape;
  uint64_t seed = 1;
};

struct Outcome {
  int replies = 0;
  int status = 0;       // of the last reply
  bool broken = false;  // the connection ended without a reply
  uint64_t body_sum = 0;
  std::string server, config;  // of the reply's x-server and x-config
  Instant sent, done;
};

class HttpClient final : public App {
 public:
  HttpClient(const ClientOptions& options, Instant now);

  bool Listens(const SockAddr&) const override { return false; }
  void OnEvent(Host& host, tcp::TcpEvent& event, Instant now) override;
  Instant OnTurn(Host& host, Instant now) override;

  // Every request has been answered or its connection has ended.
  bool done() const { return settled_ == options_.request_count; }
  // ... and every connection is gone.
  bool closed() const;
  uint64_t settled() const { return settled_; }
  uint64_t answered(int status) const;
  uint64_t broken() const;
  const std::vector<Outcome>& outcomes() const { return outcomes_; }  // by id - first_id
  const ClientOptions& options() const { return options_; }
  const std::vector<std::string>& errors() const { return errors_; }
  std::string Dump() const;  // what the connections are doing, for the message of a failure
  // Adds requests to what is to be sent.
  void Extend(uint64_t request_count);
  // Finishes what keep_open left open.
  void CloseAll(Host& host, Instant now);

 private:
  enum class State : uint8_t { kNone, kConnecting, kOpen, kClosing };
  struct Slot {
    State state = State::kNone;
    TcpId tcp;
    uint64_t generation = 0;  // a cookie tells events of an earlier connection apart
    std::deque<uint64_t> waiting;
    MessageReader reader;
    int left = 0;  // requests to send on this connection
    Instant ready_at;
  };
  bool NothingToSend() const { return next_id_ == end_id_; }
  Instant Drive(Host& host, size_t index, Instant now);
  void Open(Host& host, size_t index, Instant now);
  void OnReply(Slot* slot, const Message& reply, Instant now);
  void Verify(uint64_t id, const Message& reply, Outcome* outcome);
  void Break(Slot* slot, Instant now);
  void Finish(Host& host, Slot* slot, Instant now);
  Outcome& At(uint64_t id) { return outcomes_[id - options_.first_id]; }

  ClientOptions options_;
  Prng prng_;
  std::vector<Slot> slots_;
  std::vector<Outcome> outcomes_;
  std::vector<std::string> errors_;
  uint64_t next_id_, end_id_;
  uint64_t settled_ = 0;
  uint64_t opened_ = 0;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_HTTP_CLIENT_H_
