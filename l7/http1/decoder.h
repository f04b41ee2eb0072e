// RequestDecoder and ResponseDecoder: bytes of one connection in, messages out. A pull interface:
// call Next with what has come until it says kNeedMore. Nothing is called back; what is not used
// stays in the chain (pipelined requests wait there).
//
//   while (true) switch (decoder.Next(&in)) {
//     case Event::kNeedMore: return;            // wait for bytes
//     case Event::kHead:     decoder.head();     // parsed and validated; body follows
//     case Event::kBody:     decoder.TakeBody(); // some body bytes
//     case Event::kEnd:      ...                 // the message is complete; Next begins the next
//     one case Event::kError:    decoder.reject();   // stays in error
//   }
//
// A body is taken as it is asked for: not calling Next leaves it in the chain, which is how a slow
// reader holds back a fast sender. Byte counts: head().wire_bytes, TakeBody().size().
//
// Owns: the head being read. Thread: the worker's. Bounds: header bytes and count, chunk lines,
// trailers.
#ifndef MELTEMI_L7_HTTP1_DECODER_H_
#define MELTEMI_L7_HTTP1_DECODER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "l7/base/slice.h"
#include "l7/http/message.h"
#include "l7/http/reject.h"
#include "l7/http/validate.h"
#include "l7/http1/body_decoder.h"
#include "l7/http1/head_parser.h"
#include "l7/http1/scan.h"

namespace meltemi::http1 {

enum class Event : uint8_t { kNeedMore, kHead, kBody, kEnd, kError };

// A whole head as received, contiguous: [begin, end), in memory that `pin` or `heap` keeps.
struct RawHead {
  char* begin = nullptr;
  char* end = nullptr;
  Slice pin;
  std::unique_ptr<char[]> heap;
};

// Takes one head from the front of a chain. A head that lies whole in the first slice stays where
// it is; the bytes of any other are moved out of the chain as they come, into one piece: each byte
// is looked at once, so that a head that drips in costs what it would cost in one packet, and the
// packets it came in are free again. What it decides does not depend on how the bytes were split.
class HeadReader {
 public:
  enum class Result : uint8_t { kNeedMore, kComplete, kError };
  Result Read(Chain* in, BufferPool* pool, const HeadLimits& limits, RawHead* out);
  http::Reject reject() const { return reject_; }
  // Bytes have been taken of a head that is not complete yet.
  bool begun() const { return size_ > 0; }

 private:
  Result Fail(http::Reject reject) {
    reject_ = reject;
    return Result::kError;
  }
  Result Gather(Chain* in, BufferPool* pool, const HeadLimits& limits, RawHead* out);
  bool Grow(BufferPool* pool, uint32_t size_max);
  char* bytes() {
    return heap_ != nullptr ? heap_.get() : reinterpret_cast<char*>(gathered_.mutable_data());
  }

  Slice gathered_;
  std::unique_ptr<char[]> heap_;  // of a head larger than the pool's largest piece
  uint32_t room_ = 0;             // of the memory in use
  uint32_t size_ = 0;             // bytes in it
  HeadScan scan_;
  http::Reject reject_ = http::Reject::kNone;
};

class RequestDecoder {
 public:
  RequestDecoder(BufferPool* pool, const HeadLimits& limits) : pool_(pool), limits_(limits) {}

  Event Next(Chain* in);
  // After kHead: the head, moved out.
  http::RequestHead TakeHead() { return std::move(*head_); }
  const http::RequestHead& head() const { return *head_; }
  // After kBody.
  Chain TakeBody() { return std::move(body_); }
  const std::string& trailers() const { return decoder_.trailers(); }
  http::Reject reject() const { return reject_; }
  // True between messages, with nothing of the next one seen.
  bool idle() const { return state_ == State::kHead && !reader_.begun(); }
  bool in_body() const { return state_ == State::kBody; }

 private:
  enum class State : uint8_t { kHead, kBody, kError };
  Event Fail(http::Reject reject) {
    state_ = State::kError;
    reject_ = reject;
    return Event::kError;
  }
  Event NextHead(Chain* in);

  BufferPool* pool_;
  HeadLimits limits_;
  State state_ = State::kHead;
  HeadReader reader_;
  BodyDecoder decoder_;
  bool body_done_ = false;
  std::optional<http::RequestHead> head_;
  Chain body_;
  http::Reject reject_ = http::Reject::kNone;
};

class ResponseDecoder {
 public:
  ResponseDecoder(BufferPool* pool, const HeadLimits& limits) : pool_(pool), limits_(limits) {}

  // Before each response: what was asked. 1xx heads are given as kHead followed by kEnd with
  // head().status < 200; the final response follows without another Expect. After 101, which comes
  // only where an upgrade was asked for, nothing is a message any more: Next is not called again.
  void Expect(std::string_view request_method, http::Asked asked = http::Asked::kResponse);
  Event Next(Chain* in);
  // The peer has closed: true when that is a proper end of the message being read.
  bool EndAtClose();
  http::ResponseHead TakeHead() { return std::move(*head_); }
  const http::ResponseHead& head() const { return *head_; }
  Chain TakeBody() { return std::move(body_); }
  const std::string& trailers() const { return decoder_.trailers(); }
  http::Reject reject() const { return reject_; }
  bool idle() const { return state_ == State::kHead && !reader_.begun(); }

 private:
  enum class State : uint8_t { kHead, kBody, kError };
  Event Fail(http::Reject reject) {
    state_ = State::kError;
    reject_ = reject;
    return Event::kError;
  }
  Event NextHead(Chain* in);

  BufferPool* pool_;
  HeadLimits limits_;
  State state_ = State::kHead;
  bool head_request_ = false;
  http::Asked asked_ = http::Asked::kResponse;
  HeadReader reader_;
  BodyDecoder decoder_;
  bool body_done_ = false;
  std::optional<http::ResponseHead> head_;
  Chain body_;
  http::Reject reject_ = http::Reject::kNone;
};

}  // namespace meltemi::http1

#endif  // MELTEMI_L7_HTTP1_DECODER_H_
