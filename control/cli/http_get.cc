#include "control/cli/http_get.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace meltemi::control::cli {
namespace {

absl::Status Failed(const char* what, int error) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(error)));
}

// False: the deadline has passed.
bool WaitFor(int fd, short events, absl::Time deadline) {
  const int64_t ms = absl::ToInt64Milliseconds(deadline - absl::Now());
  pollfd one{.fd = fd, .events = events, .revents = 0};
  return ms > 0 && poll(&one, 1, static_cast<int>(ms)) == 1;
}

absl::Status Connect(int fd, const addrinfo& to, absl::Time deadline) {
  if (connect(fd, to.ai_addr, to.ai_addrlen) == 0) return absl::OkStatus();
  if (errno != EINPROGRESS) return Failed("connect", errno);
  if (!WaitFor(fd, POLLOUT, deadline)) return absl::UnavailableError("connect: timed out");
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : Failed("connect", error);
}

absl::StatusOr<std::string> Exchange(int fd, const std::string& request, absl::Time deadline) {
  for (size_t sent = 0; sent < request.size();) {
    if (!WaitFor(fd, POLLOUT, deadline)) return absl::UnavailableError("send: timed out");
    const ssize_t n = send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return Failed("send", errno);
    if (n > 0) sent += static_cast<size_t>(n);
  }
  std::string reply;
  char piece[16 * 1024];
  while (true) {
    if (!WaitFor(fd, POLLIN, deadline)) return absl::UnavailableError("no answer: timed out");
    const ssize_t n = recv(fd, piece, sizeof(piece), 0);
    if (n < 0 && errno == EAGAIN) continue;
    if (n < 0) return Failed("receive", errno);
    if (n == 0) return reply;
    reply.append(piece, static_cast<size_t>(n));
    if (reply.size() > kReplyBytesMax) return absl::UnavailableError("the answer is too long");
  }
}

}  // namespace

absl::StatusOr<HostAndPort> SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostAndPort out;
  if (colon != std::string::npos) {
    out = {.host = address.substr(0, colon), .port = address.substr(colon + 1)};
    const bool bracketed = absl::StartsWith(out.host, "[") && absl::EndsWith(out.host, "]");
    if (bracketed) out.host = out.host.substr(1, out.host.size() - 2);
    if (!bracketed && absl::StrContains(out.host, ':')) out.host.clear();
  }
  if (out.host.empty() || out.port.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT"));
  }
  return out;
}

absl::StatusOr<std::string> BodyOf(const std::string& reply) {
  const size_t end = reply.find("\r\n\r\n");
  if (!absl::StartsWith(reply, "HTTP/1.") || end == std::string::npos || reply.size() < 12) {
    return absl::UnavailableError("the answer is not HTTP");
  }
  const std::string status = reply.substr(9, 3);
  if (status != "200") return absl::UnavailableError(absl::StrCat("it answers ", status));
  return reply.substr(end + 4);
}

absl::StatusOr<std::string> HttpGet(const std::string& address, const std::string& path,
                                    absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  const absl::StatusOr<HostAndPort> to = SplitAddress(address);
  if (!to.ok()) return to.status();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(to->host.c_str(), to->port.c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(absl::StrCat(to->host, ": ", gai_strerror(error)));
  const absl::Cleanup free_found = [found] { freeaddrinfo(found); };
  const int fd = socket(found->ai_family, found->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                        found->ai_protocol);
  if (fd < 0) return Failed("socket", errno);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  if (const absl::Status status = Connect(fd, *found, deadline); !status.ok()) return status;
  const absl::StatusOr<std::string> reply = Exchange(
      fd,
      absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: ", address, "\r\nConnection: close\r\n\r\n"),
      deadline);
  if (!reply.ok()) return reply.status();
  return BodyOf(*reply);
}

}  // namespace meltemi::control::cli
