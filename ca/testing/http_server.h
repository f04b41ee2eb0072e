// A fake HTTP server, such as an API server: it answers requests, one after the other, with the
// texts it was given, on a thread of its own, and keeps what was asked. It looks at nothing.
#ifndef MELTEMI_CA_TESTING_HTTP_SERVER_H_
#define MELTEMI_CA_TESTING_HTTP_SERVER_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "l7/base/free_with.h"

namespace meltemi::ca::testing {

class HttpServer {
 public:
  struct Tls {
    std::string certificate_pem, key_pem;  // both empty: plain HTTP
    int version_max = 0;                   // of TLS; 0: any
  };
  explicit HttpServer(std::vector<std::string> answers) : HttpServer(std::move(answers), Tls{}) {}
  HttpServer(std::vector<std::string> answers, const Tls& tls);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  int port() const { return port_; }
  // What was asked until now; to be read after its answer has come.
  const std::vector<std::string>& requests() const { return requests_; }

 private:
  void Serve();
  void ServeClient(int client, const std::string& answer);

  const std::vector<std::string> answers_;
  std::unique_ptr<SSL_CTX, FreeWith<&SSL_CTX_free>> context_;
  std::vector<std::string> requests_;
  int listener_ = -1, port_ = 0;
  std::thread thread_;
};

}  // namespace meltemi::ca::testing

#endif  // MELTEMI_CA_TESTING_HTTP_SERVER_H_
