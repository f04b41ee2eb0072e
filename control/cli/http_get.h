// HttpGet: one page of a node's admin address. Blocks its thread; the CLI's.
// Bounds: the whole call has a deadline, the reply a size (kReplyBytesMax).
#ifndef MELTEMI_CONTROL_CLI_HTTP_GET_H_
#define MELTEMI_CONTROL_CLI_HTTP_GET_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace meltemi::control::cli {

inline constexpr size_t kReplyBytesMax = 64 * 1024 * 1024;

// `address` is "HOST:PORT"; an IPv6 host stands in brackets. The body of a reply with status 200.
absl::StatusOr<std::string> HttpGet(const std::string& address, const std::string& path,
                                    absl::Duration patience);

// "HOST:PORT" of "10.0.0.1:80", "[::1]:80"; the error says what it should look like.
struct HostAndPort {
  std::string host, port;
};
absl::StatusOr<HostAndPort> SplitAddress(const std::string& address);
// The body of a complete reply.
absl::StatusOr<std::string> BodyOf(const std::string& reply);

}  // namespace meltemi::control::cli

#endif  // MELTEMI_CONTROL_CLI_HTTP_GET_H_
