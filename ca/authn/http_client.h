// A client of HTTP servers such as a Kubernetes API server, for what the CA asks of them. Any
// thread; each call blocks for one exchange, each wait of which the time-out bounds, over a
// connection of its own.
#ifndef MELTEMI_CA_AUTHN_HTTP_CLIENT_H_
#define MELTEMI_CA_AUTHN_HTTP_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace meltemi::ca {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // `bearer`: what proves us; empty: nothing.
  virtual absl::StatusOr<HttpAnswer> Post(const std::string& path, const std::string& bearer,
                                          const std::string& json) = 0;
  virtual absl::StatusOr<HttpAnswer> Get(const std::string& path, const std::string& bearer) = 0;
};

struct HttpClientOptions {
  std::string url;      // "https://kubernetes.default.svc" or "http://host:port"; no path
  std::string ca_file;  // roots of an https server; empty: the system's
  absl::Duration timeout = absl::Seconds(5);
};
// Kernel sockets and OpenSSL, HTTP/1.0. https verifies the server's certificate and name.
absl::StatusOr<std::unique_ptr<HttpClient>> MakeHttpClient(HttpClientOptions options);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_AUTHN_HTTP_CLIENT_H_
