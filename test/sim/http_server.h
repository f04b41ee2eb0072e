// HttpServer: a simulated backend. Answers each request with the body its number names, in order,
// after a service time drawn from a seed; remembers how often each request came.
#ifndef MELTEMI_TEST_SIM_HTTP_SERVER_H_
#define MELTEMI_TEST_SIM_HTTP_SERVER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "l7/base/prng.h"
#include "test/sim/host.h"
#include "test/sim/http_text.h"

namespace meltemi::sim {

struct ServerOptions {
  std::string name;
  uint16_t port = 8080;
  Duration service_time_max;  // zero: answers within the turn
  // Closes the connection after about every n-th reply, having said so ("connection: close"); 0:
  // never.
  int close_every = 0;
  Duration idle_max;  // closes without a word what has been idle for so long; zero: never
  uint64_t seed = 1;
};

class HttpServer final : public App {
 public:
  explicit HttpServer(const ServerOptions& options) : options_(options), prng_(options.seed) {}

  bool Listens(const SockAddr& local) const override {
    return open_ && local.port == options_.port;
  }
  void OnEvent(Host& host, tcp::TcpEvent& event, Instant now) override;
  Instant OnTurn(Host& host, Instant now) override;

  // Closed: new connections are refused with RST. The established ones go on.
  void SetOpen(bool open) { open_ = open; }
  // Every n-th request from now on is answered with 500; 0: none.
  void SetFailEvery(uint64_t n) { fail_every_ = n; }
  // The process dies: every connection is reset.
  void Kill(Host& host, Instant now);

  const std::map<uint64_t, int>& served() const { return served_; }  // by the request's number
  const std::vector<std::string>& errors() const { return errors_; }
  // The clients' ends of every connection accepted.
  const std::vector<FourTuple>& accepted() const { return accepted_; }
  size_t conn_count() const { return conns_.size(); }
  const std::string& name() const { return options_.name; }

 private:
  struct Reply {
    Instant due;
    std::string text;
    bool close = false;
  };
  struct Conn {
    MessageReader reader;
    std::deque<Reply> replies;
    bool eof = false, finished = false;
    Instant heard_at;
  };
  void OnRequest(Conn* conn, const Message& request, Instant now);
  void Pump(Host& host, TcpId id, Conn* conn, Instant now);
  // When the connection has been idle for too long; never: it is not idle.
  Instant TiredAt(const Conn& conn) const;

  const ServerOptions options_;
  Prng prng_;
  bool open_ = true;
  uint64_t fail_every_ = 0, request_count_ = 0;
  std::map<uint64_t, Conn> conns_;  // by TcpId
  std::map<uint64_t, int> served_;
  std::vector<FourTuple> accepted_;
  std::vector<std::string> errors_;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_HTTP_SERVER_H_
