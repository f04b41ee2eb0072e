#include "ca/testing/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>

#include "ca/x509/openssl.h"
#include "l7/base/check.h"

namespace meltemi::ca::testing {
namespace {

// All of a request has come: its head, and the body that this tells of.
bool IsWhole(const std::string& request) {
  const size_t body = request.find("\r\n\r\n");
  if (body == std::string::npos) return false;
  const size_t at = request.find("Content-Length: ");
  size_t length = 0;
  if (at < body) std::from_chars(&request[at + 16], request.data() + request.size(), length);
  return request.size() >= body + 4 + length;
}

}  // namespace

HttpServer::HttpServer(std::vector<std::string> answers, const Tls& tls)
    : answers_(std::move(answers)) {
  if (!tls.key_pem.empty()) {
    context_.reset(SSL_CTX_new(TLS_server_method()));
    const BioPtr certificate_text = ReadingBio(tls.certificate_pem);
    const BioPtr key_text = ReadingBio(tls.key_pem);
    const CertPtr certificate(PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr));
    const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
    CHECK(SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1);
    CHECK(SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1);
    CHECK(SSL_CTX_set_max_proto_version(context_.get(), tls.version_max) == 1);
    SSL_CTX_set_security_level(context_.get(), 0);  // old versions of TLS
  }
  listener_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
  CHECK(listen(listener_, 1) == 0);
  CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

HttpServer::~HttpServer() {
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

void HttpServer::Serve() {
  for (const std::string& answer : answers_) {
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    ServeClient(client, answer);
    close(client);
  }
}

void HttpServer::ServeClient(int client, const std::string& answer) {
  std::unique_ptr<SSL, FreeWith<&SSL_free>> ssl;
  if (context_ != nullptr) {
    ssl.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), client);
    const bool agreed = SSL_accept(ssl.get()) == 1;
    ERR_clear_error();
    if (!agreed) return;
  }
  std::string request;
  char buffer[4096];
  while (!IsWhole(request)) {
    const ssize_t n = ssl != nullptr ? SSL_read(ssl.get(), buffer, sizeof(buffer))
                                     : recv(client, buffer, sizeof(buffer), 0);
    if (n <= 0) {
      ERR_clear_error();
      return;
    }
    request.append(buffer, static_cast<size_t>(n));
  }
  requests_.push_back(std::move(request));
  if (answer.empty()) return;
  if (ssl == nullptr) {
    CHECK(send(client, answer.data(), answer.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(answer.size()));
    return;
  }
  CHECK(SSL_write(ssl.get(), answer.data(), static_cast<int>(answer.size())) > 0);
  SSL_shutdown(ssl.get());
}

}  // namespace meltemi::ca::testing
