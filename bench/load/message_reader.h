// MessageReader: finds where HTTP/1.1 messages end in a stream of bytes, as lean as a measuring
// instrument must be: status, body length and "connection: close" are all it looks at. It trusts
// its peers more than a proxy may; whatever it does not understand is an error, never a guess.
//
// Owns: a head that came in pieces, the decoder of a chunked body. Pure; one per direction of a
// connection. Bound: a head of kHeadBytesMax.
#ifndef MELTEMI_BENCH_LOAD_MESSAGE_READER_H_
#define MELTEMI_BENCH_LOAD_MESSAGE_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "l7/base/slice.h"
#include "l7/http1/body_decoder.h"

namespace meltemi::load {

enum class MessageKind : uint8_t { kRequest, kResponse };

struct Message {
  int status = 0;           // of a response
  bool close = false;       // "connection: close"
  uint64_t body_bytes = 0;  // without chunk framing
};

class MessageReader {
 public:
  static constexpr size_t kHeadBytesMax = 64 * 1024;
  enum class Result : uint8_t { kNeedMore, kMessage, kError };

  explicit MessageReader(MessageKind kind) : kind_(kind) {}

  // Uses up the front of `in` as far as the end of the next message; kMessage: `out` tells of it.
  Result Read(Chain* in, Message* out);
  // Nothing of a message has been read since the last one ended.
  bool idle() const { return state_ == State::kHead && head_.empty(); }
  void Reset();

 private:
  enum class State : uint8_t { kHead, kLength, kChunked };

  Result ReadHead(Chain* in);
  Result OnHead(std::string_view head);
  bool OnField(std::string_view name, std::string_view value);
  Result ReadBody(Chain* in);

  MessageKind kind_;
  State state_ = State::kHead;
  std::string head_;  // when it did not come in one piece
  Message message_;
  bool chunked_ = false;
  bool has_length_ = false;
  uint64_t left_ = 0;
  http1::BodyDecoder chunks_;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_MESSAGE_READER_H_
