// What the simulated clients and servers say to each other: requests drawn from their number,
// bodies of which every byte is known to both, and a plain reader of HTTP/1.1 messages that shares
// no code with l7/http1 and is strict where that one must be.
#ifndef MELTEMI_TEST_SIM_HTTP_TEXT_H_
#define MELTEMI_TEST_SIM_HTTP_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace meltemi::sim {

// One request.
struct Plan {
  bool post = false, chunked_request = false, chunked_reply = false;
  size_t request_bytes = 0, reply_bytes = 0;
};

// How large and of which kinds requests are.
struct Shape {
  size_t reply_bytes_max = 64 * 1024;    // of the largest 2 %; most are below 1 KB
  size_t request_bytes_max = 16 * 1024;  // likewise, of POST
  int post_percent = 30;
  int chunked_percent = 30;   // of request and reply bodies, each
  std::optional<Plan> fixed;  // instead: every request is this one
};

// Everything follows from the request's number.
Plan PlanOf(uint64_t id, const Shape& shape);

std::string RequestBody(uint64_t id, size_t bytes);
std::string ReplyBody(uint64_t id, size_t bytes);
uint64_t Sum(std::string_view bytes);  // FNV-1a

// "host" is the authority; `prefix` comes before "/r/<id>/<reply bytes>/<c or l>".
std::string RequestText(uint64_t id, const Plan& plan, std::string_view host,
                        std::string_view prefix);
std::string ReplyText(uint64_t id, const Plan& plan, std::string_view server,
                      std::string_view request_body);

// Appends a body by Content-Length or in chunks of growing size, with the header that says so.
void AppendBody(std::string_view body, bool chunked, std::string* out);

struct Message {
  std::string start_line;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  std::string_view Header(std::string_view name) const;  // "" when absent
  int status() const;                                    // of a response
};

class MessageReader {
 public:
  // Appends whole messages to `out`. False: what came is no HTTP/1.1 message, or has no length.
  bool Feed(std::string_view bytes, std::vector<Message>* out);
  // Nothing of a next message has come.
  bool empty() const { return buffer_.empty() && state_ == State::kHead; }

 private:
  enum class State { kHead, kBody, kChunkSize, kChunk, kTrailers };
  enum class Step { kMore, kWait, kBad };
  Step Advance(std::vector<Message>* out);
  Step ReadHead(std::vector<Message>* out);
  Step ReadChunkSize();
  bool ParseHead(std::string_view head);
  void Finish(std::vector<Message>* out);

  State state_ = State::kHead;
  std::string buffer_;
  size_t wanted_ = 0;  // kBody, kChunk
  Message message_;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_HTTP_TEXT_H_
