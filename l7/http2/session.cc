// Session: construction, streams' lives, failures. Receiving is in receive.cc and control.cc,
// sending in send.cc.
#include "l7/http2/session.h"

#include <algorithm>

#include "l7/base/check.h"

namespace meltemi::http2 {

Session::Session(const SessionOptions& options, HpackMemory* memory, BufferPool* pool)
    : options_(options),
      pool_(pool),
      decoder_(memory),
      encoder_(memory),
      receive_window_(std::max(options.initial_connection_window_size, kWindowDefault)) {
  PutFirstSettings();
}

Session::Stream* Session::Find(uint32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

// 5.1: a stream that nobody has opened yet.
bool Session::IsIdle(uint32_t id) const {
  return Ours(id) ? id >= next_own_id_ : id > last_peer_id_;
}

Session::Step Session::Emit(Event event, uint32_t stream) {
  event_ = event;
  stream_id_ = stream;
  return Step::kEvent;
}

// 5.4.1. Once: the first reason is the one that is told.
Session::Step Session::Fail(ErrorCode code, std::string_view reason) {
  if (!failed_) {
    failed_ = true;
    error_code_ = code;
    error_reason_ = reason;
    phase_ = Phase::kFailed;
    streams_.clear();
    ready_.clear();
    PutGoAway(last_peer_id_, code);
  }
  return Emit(Event::kError, 0);
}

// 5.4.2.
Session::Step Session::FailStream(uint32_t id, ErrorCode code, std::string_view reason) {
  Stream* const stream = Find(id);
  if (stream != nullptr) {
    // Bytes of an event that is not given any more.
    GiveBackConnection(static_cast<uint32_t>(body_.size()));
    body_.Clear();
    Erase(id);
  }
  PutRst(id, code);
  if (failed_) return Emit(Event::kError, 0);
  if (stream == nullptr) return Step::kAgain;
  reset_code_ = code;
  reset_by_peer_ = false;
  reset_reason_ = reason;
  return Emit(Event::kReset, id);
}

void Session::Erase(uint32_t id) {
  ++streams_closed_;
  streams_.erase(id);  // its id may stay in ready_, where it is skipped
}

void Session::CloseIfEnded(uint32_t id, const Stream& stream) {
  if (!stream.local_ended || (!stream.remote_ended && !stream.abandoned)) return;
  const bool cut = !stream.remote_ended;
  Erase(id);
  if (cut) PutRst(id, ErrorCode::kNoError);
}

bool Session::can_open() const {
  return options_.role == Role::kClient && !failed_ && !goaway_received_ && !draining_ &&
         next_own_id_ <= kStreamIdMax && streams_.size() < peer_max_streams_ &&
         streams_.size() < options_.max_concurrent_streams;
}

void Session::Reset(uint32_t id, ErrorCode code) {
  if (Find(id) == nullptr) return;
  Erase(id);
  PutRst(id, code);
}

void Session::Abandon(uint32_t id) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return;
  CHECK(stream->end_queued);
  stream->abandoned = true;
  CloseIfEnded(id, *stream);
}

void Session::Consumed(uint32_t id, size_t byte_count) {
  const auto n = static_cast<uint32_t>(byte_count);
  GiveBackConnection(n);
  Stream* const stream = Find(id);
  if (stream == nullptr || stream->remote_ended) return;
  GiveBackStream(id, *stream, n);
}

void Session::BeginDrain() {
  if (draining_ || failed_) return;
  draining_ = true;
  if (options_.role == Role::kClient) {
    drain_told_ = true;
    PutGoAway(0, ErrorCode::kNoError);
    return;
  }
  PutGoAway(kStreamIdMax, ErrorCode::kNoError);
  PutControl({.length = 8, .type = frame_type::kPing}, kDrainPing);
}

bool Session::done() const {
  return failed_ || ((drain_told_ || goaway_received_) && streams_.empty());
}

}  // namespace meltemi::http2
