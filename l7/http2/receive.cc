// Session, receiving: preface, frame headers, DATA, HEADERS and CONTINUATION. RFC 9113 3.4, 4, 6.1,
// 6.2, 6.10, 8.1.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "l7/base/check.h"
#include "l7/http2/session.h"

namespace meltemi::http2 {

Event Session::Next(Chain* in, Instant now) {
  now_ = now;
  event_ = Event::kNeedMore;
  body_.Clear();
  if (!has_space_.empty()) {
    const uint32_t id = has_space_.back();
    has_space_.pop_back();
    if (Find(id) == nullptr) return Next(in, now);
    return Emit(Event::kSendSpace, id), event_;
  }
  if (!refused_.empty() && NextRefused() == Step::kEvent) return event_;
  if (const uint32_t id = std::exchange(end_pending_, 0); id != 0) {
    Stream* const stream = Find(id);
    if (stream != nullptr && EndOfStream(id, *stream) == Step::kEvent) return event_;
  }
  Step step = Step::kAgain;
  while (step == Step::kAgain) {
    switch (phase_) {
      case Phase::kPreface:
        step = ReadPreface(in);
        break;
      case Phase::kFrameHeader:
        step = ReadFrameHeader(in);
        break;
      case Phase::kPayload:
        step = ReadPayload(in);
        break;
      case Phase::kFailed:
        in->Clear();
        return event_;
    }
  }
  return event_;
}

Session::Step Session::ReadPreface(Chain* in) {
  if (options_.role == Role::kClient) {
    phase_ = Phase::kFrameHeader;
    return Step::kAgain;
  }
  const auto n =
      static_cast<uint32_t>(std::min<size_t>(kPreface.size() - preface_read_, in->size()));
  if (n == 0) return Step::kNeedMore;
  std::array<uint8_t, kPreface.size()> bytes;
  in->CopyTo(0, n, bytes.data());
  if (std::memcmp(bytes.data(), kPreface.data() + preface_read_, n) != 0) {
    return Fail(ErrorCode::kProtocolError, "http2.bad_preface");
  }
  in->RemovePrefix(n);
  preface_read_ += n;
  if (preface_read_ == kPreface.size()) phase_ = Phase::kFrameHeader;
  return Step::kAgain;
}

Session::Step Session::ReadFrameHeader(Chain* in) {
  if (in->size() < kFrameHeaderBytes) return Step::kNeedMore;
  std::array<uint8_t, kFrameHeaderBytes> bytes;
  in->CopyTo(0, bytes.size(), bytes.data());
  in->RemovePrefix(bytes.size());
  frame_ = http2::ReadFrameHeader(bytes.data());
  last_frame_ = now_;
  if (frame_.length > kFrameBytesDefault) {  // we never announce more
    return Fail(ErrorCode::kFrameSizeError, "http2.frame_too_large");
  }
  if (!settings_received_ &&
      (frame_.type != frame_type::kSettings || frame_.Has(frame_flag::kAck))) {
    return Fail(ErrorCode::kProtocolError, "http2.settings_expected");  // 3.4
  }
  const bool continues = frame_.type == frame_type::kContinuation;
  if (continues != (continuation_of_ != 0) || (continues && frame_.stream != continuation_of_)) {
    return Fail(ErrorCode::kProtocolError, "http2.continuation_expected");  // 6.10
  }
  phase_ = Phase::kPayload;
  payload_left_ = frame_.length;
  pad_left_ = pad_total_ = 0;
  pad_read_ = !frame_.Has(frame_flag::kPadded);
  priority_read_ = !frame_.Has(frame_flag::kPriority);
  if (frame_.type == frame_type::kData) return BeginData();
  if (frame_.type == frame_type::kHeaders) return BeginHeaders();
  if (continues && ++continuation_count_ > options_.continuation_frames_max) {
    return Fail(ErrorCode::kEnhanceYourCalm, "http2.continuation_flood");
  }
  return Step::kAgain;
}

Session::Step Session::ReadPayload(Chain* in) {
  switch (frame_.type) {
    case frame_type::kData:
      return ReadData(in);
    case frame_type::kHeaders:
    case frame_type::kContinuation:
      return ReadHeaders(in);
    case frame_type::kPriority:
    case frame_type::kRstStream:
    case frame_type::kSettings:
    case frame_type::kPushPromise:
    case frame_type::kPing:
    case frame_type::kGoAway:
    case frame_type::kWindowUpdate:
      return OnControlFrame(in);
    default:  // 4.1: a frame of unknown type is ignored; not an enum, a peer's byte
      return SkipPayload(in);
  }
}

Session::Step Session::SkipPayload(Chain* in) {
  const auto n = static_cast<uint32_t>(std::min<size_t>(payload_left_, in->size()));
  in->RemovePrefix(n);
  payload_left_ -= n;
  return payload_left_ > 0 ? Step::kNeedMore : EndOfFrame();
}

Session::Step Session::EndOfFrame() {
  phase_ = Phase::kFrameHeader;
  return Step::kAgain;
}

// Frames that carry nothing cost us as much as others (RFC 9113 10.5).
bool Session::TooManyEmpty(bool empty) {
  empty_frames_ = empty ? empty_frames_ + 1 : 0;
  return empty_frames_ > options_.max_consecutive_inbound_frames_with_empty_payload;
}

// The pad length, and of HEADERS the priority fields (6.2), once they have come.
Session::Step Session::ReadPrefix(Chain* in) {
  if (!pad_read_) {
    if (payload_left_ == 0) return Fail(ErrorCode::kFrameSizeError, "http2.frame_too_short");
    if (in->empty()) return Step::kNeedMore;
    uint8_t pad = 0;
    in->CopyTo(0, 1, &pad);
    in->RemovePrefix(1);
    pad_read_ = true;
    --payload_left_;
    if (pad > payload_left_) return Fail(ErrorCode::kProtocolError, "http2.padding_too_long");
    pad_left_ = pad;
    pad_total_ = pad + 1u;
  }
  if (frame_.type == frame_type::kHeaders && !priority_read_) {
    constexpr uint32_t kPriorityBytes = 5;
    if (payload_left_ - pad_left_ < kPriorityBytes) {
      return Fail(ErrorCode::kFrameSizeError, "http2.frame_too_short");
    }
    if (in->size() < kPriorityBytes) return Step::kNeedMore;
    in->RemovePrefix(kPriorityBytes);  // 5.3.2: priorities are not used any more
    payload_left_ -= kPriorityBytes;
    priority_read_ = true;
  }
  return Step::kAgain;
}

Session::Step Session::BeginData() {
  const uint32_t id = frame_.stream;
  if (id == 0 || IsIdle(id)) return Fail(ErrorCode::kProtocolError, "http2.data_on_idle_stream");
  if (TooManyEmpty(frame_.length == 0 && !frame_.Has(frame_flag::kEndStream))) {
    return Fail(ErrorCode::kEnhanceYourCalm, "http2.empty_frame_flood");
  }
  // 6.9.1: the whole frame counts, padding too.
  receive_window_ -= frame_.length;
  if (receive_window_ < 0) return Fail(ErrorCode::kFlowControlError, "http2.connection_window");
  Stream* const stream = Find(id);
  if (stream == nullptr) return Step::kAgain;  // reset by us, or ended: thrown away as it comes
  if (stream->remote_ended) {
    return FailStream(id, ErrorCode::kStreamClosed, "http2.data_after_end");
  }
  if (!stream->head_received) {
    return FailStream(id, ErrorCode::kProtocolError, "http2.data_before_headers");
  }
  stream->receive_window -= frame_.length;
  if (stream->receive_window < 0) {
    return FailStream(id, ErrorCode::kFlowControlError, "http2.stream_window");
  }
  return Step::kAgain;
}

Session::Step Session::ReadData(Chain* in) {
  if (const Step step = ReadPrefix(in); step != Step::kAgain) return step;
  Stream* const stream = Find(frame_.stream);
  const bool wanted = stream != nullptr && !stream->remote_ended;
  const auto n = static_cast<uint32_t>(std::min<size_t>(payload_left_ - pad_left_, in->size()));
  if (n > 0) {
    payload_left_ -= n;
    if (!wanted) {
      in->RemovePrefix(n);
      GiveBackConnection(n);
      return Step::kAgain;
    }
    body_ = in->TakePrefix(n);
    stream->received += n;
    if (stream->has_length && stream->received > stream->length) {  // 8.1.1
      return FailStream(frame_.stream, ErrorCode::kProtocolError, "http2.body_too_long");
    }
    return Emit(Event::kBody, frame_.stream);
  }
  if (payload_left_ > pad_left_) return Step::kNeedMore;
  if (const Step step = SkipPadding(in); step != Step::kAgain) return step;
  GiveBackConnection(pad_total_);
  if (wanted) GiveBackStream(frame_.stream, *stream, pad_total_);
  if (failed_) return Step::kEvent;
  EndOfFrame();
  if (!wanted || !frame_.Has(frame_flag::kEndStream)) return Step::kAgain;
  return EndOfStream(frame_.stream, *stream);
}

Session::Step Session::SkipPadding(Chain* in) {
  const auto n = static_cast<uint32_t>(std::min<size_t>(pad_left_, in->size()));
  in->RemovePrefix(n);
  pad_left_ -= n;
  payload_left_ -= n;
  return pad_left_ > 0 ? Step::kNeedMore : Step::kAgain;
}

Session::Step Session::BeginHeaders() {
  const uint32_t id = frame_.stream;
  continuation_count_ = 0;
  block_bytes_ = 0;
  block_ends_stream_ = frame_.Has(frame_flag::kEndStream);
  block_ignored_ = false;
  if (TooManyEmpty(frame_.length == 0 && !block_ends_stream_)) {
    return Fail(ErrorCode::kEnhanceYourCalm, "http2.empty_frame_flood");
  }
  if (id == 0 || (Ours(id) && IsIdle(id)) || (!Ours(id) && (id & 1) == 0)) {
    return Fail(ErrorCode::kProtocolError, "http2.bad_stream_id");
  }
  fields_.emplace(pool_);
  decoder_.Begin(options_.headers, &*fields_);
  Stream* const stream = Find(id);
  if (stream != nullptr) {
    if (!stream->remote_ended) return Step::kAgain;
    block_ignored_ = true;
    return FailStream(id, ErrorCode::kStreamClosed, "http2.headers_after_end");
  }
  const bool opens = options_.role == Role::kServer && id > last_peer_id_;
  if (!opens) {  // a stream that has ended: 5.1, "closed"
    block_ignored_ = true;
    return Step::kAgain;
  }
  if (!Ours(id)) last_peer_id_ = id;
  if (drain_told_ || streams_.size() >= options_.max_concurrent_streams) {
    block_ignored_ = true;
    PutRst(id, ErrorCode::kRefusedStream);  // 5.1.2, 8.7: it may be tried again
    return failed() ? Step::kEvent : Step::kAgain;
  }
  ++streams_opened_;
  Stream& opened = streams_[id];
  opened.send_window = peer_initial_window_;
  opened.receive_window = FirstReceiveWindow();
  opened.opened = now_;
  return Step::kAgain;
}

Session::Step Session::ReadHeaders(Chain* in) {
  if (frame_.type == frame_type::kHeaders) {
    if (const Step step = ReadPrefix(in); step != Step::kAgain) return step;
  }
  while (payload_left_ > pad_left_) {
    if (in->empty()) return Step::kNeedMore;
    const Slice& front = in->front();
    const uint32_t n = std::min(payload_left_ - pad_left_, front.size());
    const bool last = n == payload_left_ - pad_left_ && frame_.Has(frame_flag::kEndHeaders);
    block_result_ = decoder_.Decode({front.data(), n}, last);
    in->RemovePrefix(n);
    payload_left_ -= n;
    block_bytes_ += n;
    if (block_result_ == HpackDecoder::Result::kBroken) {
      return Fail(ErrorCode::kCompressionError, "http2.header_compression");
    }
    // What never ends is cut off: a block may be larger than the limit, but not without end.
    if (block_bytes_ > 4ull * options_.headers.bytes_max) {
      return Fail(ErrorCode::kEnhanceYourCalm, "http2.header_block_too_large");
    }
  }
  if (const Step step = SkipPadding(in); step != Step::kAgain) return step;
  EndOfFrame();
  if (!frame_.Has(frame_flag::kEndHeaders)) {
    continuation_of_ = frame_.stream;
    return Step::kAgain;
  }
  if (frame_.length == 0 && block_bytes_ > 0) {  // an empty CONTINUATION may be the last
    block_result_ = decoder_.Decode({}, true);
    if (block_result_ == HpackDecoder::Result::kBroken) {
      return Fail(ErrorCode::kCompressionError, "http2.header_compression");
    }
  }
  return EndHeaderBlock();
}

Session::Step Session::EndHeaderBlock() {
  continuation_of_ = 0;
  const uint32_t id = frame_.stream;
  Stream* const stream = Find(id);
  if (block_ignored_ || stream == nullptr) {
    fields_.reset();
    return Step::kAgain;
  }
  if (block_result_ == HpackDecoder::Result::kTooLarge) {
    if (options_.role == Role::kServer && !stream->head_received) {
      // RFC 6585 5; then the stream ends without more of the request being read.
      const http::HeaderBlock none(pool_);
      SendResponse(id, 431, none, true);
      return FailStream(id, ErrorCode::kNoError, "request_headers_too_large");
    }
    return FailStream(id, ErrorCode::kEnhanceYourCalm, "http2.headers_too_large");
  }
  if (block_result_ == HpackDecoder::Result::kNoMemory) {
    return FailStream(id, ErrorCode::kRefusedStream, "overload");
  }
  if (stream->head_received) return OnTrailers(*stream);
  return options_.role == Role::kServer ? OnRequest(*stream) : OnResponse(*stream);
}

// 8.1.1: a body that is longer or shorter than said, or comes where none can be.
template <typename Head>
void Session::SetLength(const Head& head, Stream* stream) {
  stream->has_length = head.framing != http::Framing::kChunked;
  stream->length = head.framing == http::Framing::kLength ? head.content_length : 0;
}

Session::Step Session::OnRequest(Stream& stream) {
  const uint32_t id = frame_.stream;
  request_.emplace(pool_);
  request_->wire_bytes = static_cast<uint32_t>(block_bytes_);
  const http::Reject reject =
      MakeRequest(std::move(*fields_), block_ends_stream_, options_.allow_connect, &*request_);
  fields_.reset();
  if (reject != http::Reject::kNone) {  // 8.1.1: malformed
    return FailStream(id, ErrorCode::kProtocolError, http::DetailsOf(reject));
  }
  stream.head_received = true;
  if (!request_->upgrade) SetLength(*request_, &stream);  // what follows is no body
  if (block_ends_stream_) end_pending_ = id;
  return Emit(Event::kRequest, id);
}

Session::Step Session::OnResponse(Stream& stream) {
  const uint32_t id = frame_.stream;
  response_.emplace(pool_);
  response_->wire_bytes = static_cast<uint32_t>(block_bytes_);
  const std::string_view asked = stream.tunnel ? "CONNECT" : stream.head_request ? "HEAD" : "GET";
  const http::Reject reject =
      MakeResponse(std::move(*fields_), asked, block_ends_stream_, &*response_);
  fields_.reset();
  if (reject != http::Reject::kNone) {
    return FailStream(id, ErrorCode::kProtocolError, http::DetailsOf(reject));
  }
  stream.head_received = response_->status >= 200;
  SetLength(*response_, &stream);
  if (block_ends_stream_) end_pending_ = id;
  return Emit(Event::kResponse, id);
}

Session::Step Session::OnTrailers(Stream& stream) {
  if (!block_ends_stream_) {  // 8.1
    return FailStream(frame_.stream, ErrorCode::kProtocolError, "http2.trailers_without_end");
  }
  const http::Reject reject = CheckTrailers(*fields_);
  if (reject != http::Reject::kNone) {
    return FailStream(frame_.stream, ErrorCode::kProtocolError, http::DetailsOf(reject));
  }
  trailers_ = std::move(fields_->headers);
  fields_.reset();
  return EndOfStream(frame_.stream, stream);
}

Session::Step Session::EndOfStream(uint32_t id, Stream& stream) {
  stream.remote_ended = true;
  if (stream.has_length && stream.received != stream.length) {
    return FailStream(id, ErrorCode::kProtocolError, "http2.body_too_short");  // 8.1.1
  }
  Emit(Event::kEnd, id);
  CloseIfEnded(id, stream);
  return Step::kEvent;
}

}  // namespace meltemi::http2
