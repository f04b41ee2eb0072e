#include "control/common/http_server.h"

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace meltemi::control::common {
namespace {

constexpr size_t kRequestBytesMax = 8192;
constexpr int kClientTimeoutSeconds = 2;

absl::StatusOr<int> Listen(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\": ", gai_strerror(error)));
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool ok =
      fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 64) == 0;
  const int saved = errno;
  freeaddrinfo(found);
  if (ok) return fd;
  if (fd >= 0) close(fd);
  return absl::UnavailableError(absl::StrCat("listening on ", address, ": ", strerror(saved)));
}

int BoundPort(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return 0;
  char port[8] = "0";
  getnameinfo(reinterpret_cast<sockaddr*>(&storage), length, nullptr, 0, port, sizeof(port),
              NI_NUMERICSERV);
  return atoi(port);
}

const char* Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

}  // namespace

HttpReply AnswerHttp(const std::string& request, const HttpHandler& handler) {
  const size_t path_end = request.find(' ', 4);
  if (absl::StartsWith(request, "GET /") && path_end < request.find("\r\n")) {
    return handler(request.substr(4, path_end - 4));
  }
  if (request.find("\r\n\r\n") != std::string::npos) return {.status = 405, .body = "GET only\n"};
  return {.status = 400, .body = "bad request\n"};
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address,
                                                              Handler handler) {
  absl::StatusOr<int> listener = Listen(address);
  if (!listener.ok()) return listener.status();
  const int wake = eventfd(0, EFD_CLOEXEC);
  if (wake < 0) {
    close(*listener);
    return absl::InternalError(absl::StrCat("eventfd: ", strerror(errno)));
  }
  return std::unique_ptr<HttpServer>(
      new HttpServer(*listener, wake, BoundPort(*listener), std::move(handler)));
}

HttpServer::HttpServer(int listener, int wake, int port, Handler handler)
    : listener_(listener), wake_(wake), port_(port), handler_(std::move(handler)) {
  thread_ = std::thread([this] { Run(); });
}

HttpServer::~HttpServer() {
  const uint64_t one = 1;
  // An eventfd takes eight bytes whole; there is nothing to be done if it did not.
  [[maybe_unused]] const ssize_t ignored = write(wake_, &one, sizeof(one));
  thread_.join();
  close(listener_);
  close(wake_);
}

void HttpServer::Run() {
  while (true) {
    pollfd fds[2] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if ((fds[0].revents & POLLIN) == 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    Serve(client);
    close(client);
  }
}

void HttpServer::Serve(int client) {
  const timeval timeout{.tv_sec = kClientTimeoutSeconds};
  setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  std::string request;
  char buffer[2048];
  while (request.find("\r\n\r\n") == std::string::npos && request.size() < kRequestBytesMax) {
    const ssize_t got = recv(client, buffer, sizeof(buffer), 0);
    if (got <= 0) return;
    request.append(buffer, got);
  }
  const HttpReply reply = AnswerHttp(request, handler_);
  const std::string text = absl::StrCat("HTTP/1.1 ", reply.status, " ", Reason(reply.status),
                                        "\r\ncontent-type: ", reply.content_type,
                                        "\r\ncontent-length: ", reply.body.size(),
                                        "\r\nconnection: close\r\n\r\n", reply.body);
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = send(client, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += n;
  }
}

}  // namespace meltemi::control::common
