// What a stream of HTTP/1 bytes means, in a form that two parsers, or one parser under two ways of
// splitting the bytes, can be compared by. Tests and fuzz targets only.
#ifndef MELTEMI_L7_HTTP1_TESTING_STREAMS_H_
#define MELTEMI_L7_HTTP1_TESTING_STREAMS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "l7/base/prng.h"
#include "l7/http/reject.h"

namespace meltemi::http1 {

using Fields = std::vector<std::pair<std::string, std::string>>;  // lower-case name, trimmed value

struct Message {
  std::string method, target;  // of a request
  int status = 0;              // of a response
  std::string reason;          // of a response
  int minor = 1;
  Fields headers, trailers;
  std::string body;
  bool keep_alive = false;
  bool complete = false;
  bool operator==(const Message&) const = default;
};

struct Outcome {
  std::vector<Message> messages;  // only the last may be incomplete
  bool error = false;
  http::Reject reject = http::Reject::kNone;  // ours only
  std::string oracle_error;                   // llhttp only: its errno's name
  Message unfinished;                         // llhttp only: the head it is reading
  bool upgrade = false;                       // llhttp only: it stopped at an upgrade
  bool operator==(const Outcome&) const = default;
};

std::string Describe(const Outcome& outcome);

enum class Side : uint8_t { kRequests, kResponses, kResponsesToHead };

// Runs our decoder over `bytes`, then end of stream. It stops after the first message that does not
// keep the connection alive. `splits` says how the bytes come: null: in one slice.
Outcome RunOurs(Side side, std::string_view bytes, Prng* splits);

// The same by llhttp, in strict mode.
Outcome RunOracle(Side side, std::string_view bytes);

// "" when the two agree about `bytes` but for the intended differences, which stand in compare.cc;
// else what differs.
std::string Differences(std::string_view bytes, const Outcome& ours, const Outcome& oracle);

}  // namespace meltemi::http1

#endif  // MELTEMI_L7_HTTP1_TESTING_STREAMS_H_
