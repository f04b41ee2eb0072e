#include "ca/authn/http_client.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "ca/limits.h"
#include "ca/x509/openssl.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

using SslContextPtr = std::unique_ptr<SSL_CTX, FreeWith<&SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, FreeWith<&SSL_free>>;

struct Url {
  bool tls = true;
  std::string host;
  std::string port;
};

absl::StatusOr<Url> ParseUrl(const std::string& text) {
  Url url;
  std::string rest;
  if (text.starts_with("https://")) {
    rest = text.substr(8);
  } else if (text.starts_with("http://")) {
    url.tls = false;
    rest = text.substr(7);
  } else {
    return absl::InvalidArgumentError(Cat("\"", text, "\" is no http or https URL"));
  }
  if (rest.ends_with('/')) rest.pop_back();
  const size_t bracket = rest.starts_with('[') ? rest.find(']') : 0;
  const size_t colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
  url.host = rest.substr(0, colon);
  url.port = colon == std::string::npos ? (url.tls ? "443" : "80") : rest.substr(colon + 1);
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  if (url.host.empty() || url.port.empty() || rest.find('/') != std::string::npos) {
    return absl::InvalidArgumentError(Cat("\"", text, "\" is not https://HOST[:PORT]"));
  }
  return url;
}

// A connected socket and, for https, the session on it; closed with it.
class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  ~Connection() {
    ssl_.reset();
    close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::Status StartTls(SSL_CTX* context, const std::string& host) {
    ssl_.reset(SSL_new(context));
    if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), fd_) != 1) return OpenSslError("TLS");
    // The name is checked whether it is a DNS name or an address.
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str()) != 1) {
      ERR_clear_error();
      SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
      if (SSL_set1_host(ssl_.get(), host.c_str()) != 1) return OpenSslError("TLS");
    }
    if (SSL_connect(ssl_.get()) == 1) return absl::OkStatus();
    const long verdict = SSL_get_verify_result(ssl_.get());
    const std::string reasons = TakeErrors();
    return absl::UnavailableError(
        Cat("TLS with ", host, ": ",
            verdict == X509_V_OK ? reasons : X509_verify_cert_error_string(verdict)));
  }
  bool WriteAll(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ssl_ != nullptr
                            ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                            : send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // As recv: 0 at the end, negative when there is none.
  ssize_t Read(char* buffer, size_t size) {
    if (ssl_ == nullptr) return recv(fd_, buffer, size, 0);
    const int n = SSL_read(ssl_.get(), buffer, static_cast<int>(size));
    if (n > 0) return n;
    return SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
  }

 private:
  const int fd_;
  SslPtr ssl_;
};

absl::StatusOr<int> Dial(const Url& url, absl::Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(Cat(url.host, ": ", gai_strerror(error)));
  const timeval limit = absl::ToTimeval(timeout);
  int fd = -1, last = 0;
  for (const addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) {
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));  // connect's limit too
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) continue;
    last = errno;
    close(fd);
    fd = -1;
  }
  freeaddrinfo(found);
  if (fd >= 0) return fd;
  return absl::UnavailableError(Cat("connecting to ", url.host, ":", url.port, ": ",
                                    strerror(last == EINPROGRESS ? ETIMEDOUT : last)));
}

absl::StatusOr<HttpAnswer> ParseAnswer(const std::string& text) {
  const size_t body = text.find("\r\n\r\n");
  HttpAnswer out;
  if (body == std::string::npos || !text.starts_with("HTTP/1.") || text.size() < 12) {
    return absl::UnavailableError("the answer is no HTTP");
  }
  std::from_chars(text.data() + 9, text.data() + 12, out.status);
  out.body = text.substr(body + 4);
  // HTTP/1.0 was asked for: the body ends with the connection, and a length only checks it.
  const std::string head = absl::AsciiStrToLower(text.substr(0, body));
  const size_t at = head.find("\r\ncontent-length:");
  if (at == std::string::npos) return out;
  size_t begin = at + 17, length = 0;
  while (begin < head.size() && head[begin] == ' ') ++begin;
  std::from_chars(head.data() + begin, head.data() + head.size(), length);
  if (length > out.body.size()) return absl::UnavailableError("the answer was cut off");
  out.body.resize(length);
  return out;
}

class SocketHttpClient final : public HttpClient {
 public:
  SocketHttpClient(Url url, absl::Duration timeout, SslContextPtr context)
      : url_(std::move(url)), timeout_(timeout), context_(std::move(context)) {}

  absl::StatusOr<HttpAnswer> Post(const std::string& path, const std::string& bearer,
                                  const std::string& json) override {
    return Exchange(Cat(Head("POST", path, bearer), "Content-Type: application/json\r\n",
                        "Content-Length: ", json.size(), "\r\n\r\n", json));
  }
  absl::StatusOr<HttpAnswer> Get(const std::string& path, const std::string& bearer) override {
    return Exchange(Cat(Head("GET", path, bearer), "\r\n"));
  }

 private:
  std::string Head(std::string_view method, const std::string& path,
                   const std::string& bearer) const {
    return Cat(method, " ", path, " HTTP/1.0\r\nHost: ", url_.host,
               "\r\nAccept: application/json\r\n", bearer.empty() ? "" : "Authorization: Bearer ",
               bearer, bearer.empty() ? "" : "\r\n");
  }
  absl::StatusOr<HttpAnswer> Exchange(const std::string& request) const {
    const absl::Time deadline = absl::Now() + timeout_;
    const absl::StatusOr<int> fd = Dial(url_, timeout_);
    if (!fd.ok()) return fd.status();
    Connection connection(*fd);
    if (context_ != nullptr) {
      const absl::Status started = connection.StartTls(context_.get(), url_.host);
      if (!started.ok()) return started;
    }
    if (!connection.WriteAll(request)) return Failed("sending");
    std::string answer;
    char buffer[8192];
    while (answer.size() <= limits::kHttpAnswerBytesMax) {
      const ssize_t n = connection.Read(buffer, sizeof(buffer));
      if (n == 0) return ParseAnswer(answer);
      if (n < 0 || absl::Now() > deadline) return Failed("receiving");
      answer.append(buffer, static_cast<size_t>(n));
    }
    return absl::UnavailableError("the answer is too large");
  }

  absl::Status Failed(std::string_view what) const {
    ERR_clear_error();
    return absl::UnavailableError(
        Cat(what, ", ", url_.host, ":", url_.port, ": failed or timed out"));
  }
  const Url url_;
  const absl::Duration timeout_;
  const SslContextPtr context_;  // null: plain
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpClient>> MakeHttpClient(HttpClientOptions options) {
  absl::StatusOr<Url> url = ParseUrl(options.url);
  if (!url.ok()) return url.status();
  SslContextPtr context;
  if (url->tls) {
    context.reset(SSL_CTX_new(TLS_client_method()));
    if (context == nullptr) return OpenSslError("TLS");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    const int loaded =
        options.ca_file.empty()
            ? SSL_CTX_set_default_verify_paths(context.get())
            : SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr);
    if (loaded != 1) return OpenSslError(Cat("reading ", options.ca_file));
  }
  return std::make_unique<SocketHttpClient>(*std::move(url), options.timeout, std::move(context));
}

}  // namespace meltemi::ca
