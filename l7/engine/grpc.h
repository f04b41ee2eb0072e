// What the engine knows of gRPC: which requests are calls, and how they say how long they may take
// (grpc's PROTOCOL-HTTP2.md). Pure functions.
#ifndef MELTEMI_L7_ENGINE_GRPC_H_
#define MELTEMI_L7_ENGINE_GRPC_H_

#include <optional>
#include <string>
#include <string_view>

#include "l7/base/time.h"
#include "l7/http/message.h"

namespace meltemi::engine {

// By content-type: application/grpc, with a suffix or parameters. gRPC-Web is none.
bool IsGrpc(const http::RequestHead& head);

// The value of grpc-timeout: 1 to 8 digits and a unit. What is below a millisecond counts as one.
// Absent when it is no such value.
std::optional<Duration> ParseGrpcTimeout(std::string_view value);
// The same in the finest unit that has room, from milliseconds on; above 0.
std::string GrpcTimeoutText(Duration timeout);

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_GRPC_H_
