// A tiny HTTP/1.1 server for /metrics, /healthz, /readyz and debug pages: GET only, one request per
// connection, one thread, kernel sockets. Not for traffic: a slow client is cut off after
// kClientTimeout. The handler runs on the server's thread.
#ifndef MELTEMI_CONTROL_COMMON_HTTP_SERVER_H_
#define MELTEMI_CONTROL_COMMON_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace meltemi::control::common {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

using HttpHandler = std::function<HttpReply(const std::string& path)>;

// The reply to what a client sent up to its empty line, or up to the bound. Pure but for `handler`,
// which is asked for a GET of a path only.
HttpReply AnswerHttp(const std::string& request, const HttpHandler& handler);

class HttpServer {
 public:
  using Handler = HttpHandler;

  // Listens on "host:port" ("[::]:8080" for IPv6; port 0 picks one) and starts serving.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address,
                                                           Handler handler);
  // Stops and joins.
  ~HttpServer();
  int port() const { return port_; }

 private:
  HttpServer(int listener, int wake, int port, Handler handler);
  void Run();
  void Serve(int client);

  int listener_;
  int wake_;  // eventfd: written once, to stop
  int port_;
  Handler handler_;
  std::thread thread_;
};

}  // namespace meltemi::control::common

#endif  // MELTEMI_CONTROL_COMMON_HTTP_SERVER_H_
