// Where the messages of one Conn come from: its bytes, by an HTTP/1 decoder, or one stream of an
// HTTP/2 connection. Both are read in the same way (http1::Event), so that what is done with a
// request does not depend on how it came.
//
// Of a stream, the head and the end are handed in as the session tells them; body bytes wait in
// Conn::in like those of HTTP/1, so that here, too, what is not read holds back its sender.
#ifndef MELTEMI_L7_ENGINE_MESSAGE_READER_H_
#define MELTEMI_L7_ENGINE_MESSAGE_READER_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "l7/base/check.h"
#include "l7/base/slice.h"
#include "l7/base/stage.h"
#include "l7/http/message.h"
#include "l7/http/reject.h"
#include "l7/http1/decoder.h"

namespace meltemi::engine {

// The messages of one HTTP/2 stream. Errors never show here: they reset the stream.
template <typename Head>
class StreamReader {
 public:
  void PutHead(Head head) {
    pending_head_ = true;
    head_.emplace(std::move(head));
  }
  // Trailers as HTTP/1 writes them: "name: value\r\n" each.
  void PutEnd(std::string trailers) {
    ended_ = true;
    trailers_ = std::move(trailers);
  }

  http1::Event Next(Chain* in) {
    if (std::exchange(pending_head_, false)) return http1::Event::kHead;
    if (!in->empty()) {
      body_ = std::move(*in);
      return http1::Event::kBody;
    }
    if (!ended_ || end_read_) return http1::Event::kNeedMore;
    end_read_ = true;
    return http1::Event::kEnd;
  }
  const Head& head() const { return *head_; }
  Head TakeHead() { return std::move(*head_); }
  Chain TakeBody() { return std::move(body_); }
  const std::string& trailers() const { return trailers_; }
  bool in_body() const { return !pending_head_ && !end_read_; }

 private:
  bool pending_head_ = false, ended_ = false, end_read_ = false;
  std::optional<Head> head_;
  std::string trailers_;
  Chain body_;
};

template <typename Decoder, typename Head>
class MessageReader {
 public:
  // HTTP/1.
  MessageReader(BufferPool* pool, const http1::HeadLimits& limits)
      : decoder_(std::in_place, pool, limits) {}
  // A stream. On the heap: an idle HTTP/1 connection has none, and its size counts.
  MessageReader() : stream_(std::make_unique<StreamReader<Head>>()) {}

  StreamReader<Head>& stream() {
    CHECK(stream_ != nullptr);
    return *stream_;
  }
  http1::Event Next(Chain* in) {
    const StageScope scope(Stage::kParse);
    return decoder_.has_value() ? decoder_->Next(in) : stream_->Next(in);
  }
  Head TakeHead() { return decoder_.has_value() ? decoder_->TakeHead() : stream_->TakeHead(); }
  const Head& head() const { return decoder_.has_value() ? decoder_->head() : stream_->head(); }
  Chain TakeBody() { return decoder_.has_value() ? decoder_->TakeBody() : stream_->TakeBody(); }
  const std::string& trailers() const {
    return decoder_.has_value() ? decoder_->trailers() : stream_->trailers();
  }
  http::Reject reject() const {
    return decoder_.has_value() ? decoder_->reject() : http::Reject::kNone;
  }

  // Requests.
  bool idle() const { return decoder_.has_value() && decoder_->idle(); }
  bool in_body() const { return decoder_.has_value() ? decoder_->in_body() : stream_->in_body(); }
  // Responses.
  void Expect(std::string_view method, http::Asked asked) {
    if (decoder_.has_value()) decoder_->Expect(method, asked);
  }
  bool EndAtClose() { return decoder_.has_value() && decoder_->EndAtClose(); }

 private:
  std::optional<Decoder> decoder_;
  std::unique_ptr<StreamReader<Head>> stream_;
};

using RequestReader = MessageReader<http1::RequestDecoder, http::RequestHead>;
using ResponseReader = MessageReader<http1::ResponseDecoder, http::ResponseHead>;

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_MESSAGE_READER_H_
