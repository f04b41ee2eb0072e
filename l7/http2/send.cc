// Session, sending: frames into the output, bodies through the windows. RFC 9113 5.2, 6.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>

#include "l7/base/check.h"
#include "l7/http2/session.h"

namespace meltemi::http2 {
namespace {

// A DATA frame of this size keeps other streams waiting 10 us on a gigabit.
constexpr uint32_t kDataFrameBytesMax = 16'384;

void PutSetting(uint16_t id, uint32_t value, std::string* out) {
  std::array<uint8_t, 6> bytes;
  bytes[0] = static_cast<uint8_t>(id >> 8);
  bytes[1] = static_cast<uint8_t>(id);
  Write32(value, bytes.data() + 2);
  out->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

bool Session::PutFrame(const FrameHeader& header, std::string_view payload) {
  Slice slice = pool_->Allocate(static_cast<uint32_t>(kFrameHeaderBytes + payload.size()));
  if (slice.empty()) return false;
  WriteFrameHeader(header, slice.mutable_data());
  if (!payload.empty()) {
    std::memcpy(slice.mutable_data() + kFrameHeaderBytes, payload.data(), payload.size());
  }
  out_.Append(std::move(slice));
  return true;
}

// Control frames are answers: who makes us owe more of them than it reads is flooding us.
void Session::PutControl(const FrameHeader& header, std::string_view payload) {
  if (++control_frames_out_ > options_.max_outbound_control_frames) {
    Fail(ErrorCode::kEnhanceYourCalm, "http2.outbound_control_flood");
    return;
  }
  if (!PutFrame(header, payload)) Fail(ErrorCode::kInternalError, "overload");
}

void Session::SendPing() {
  if (failed_) return;
  ping_out_ = true;
  PutControl({.length = 8, .type = frame_type::kPing}, kAlivePing);
}

void Session::PutRst(uint32_t id, ErrorCode code) {
  std::array<uint8_t, 4> bytes;
  Write32(static_cast<uint32_t>(code), bytes.data());
  PutControl({.length = 4, .type = frame_type::kRstStream, .stream = id},
             {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void Session::PutGoAway(uint32_t last, ErrorCode code) {
  std::array<uint8_t, 8> bytes;
  Write32(last, bytes.data());
  Write32(static_cast<uint32_t>(code), bytes.data() + 4);
  // Not counted, and not fatal: the connection is ending.
  PutFrame({.length = 8, .type = frame_type::kGoAway},
           {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void Session::PutWindowUpdate(uint32_t id, uint32_t increment) {
  std::array<uint8_t, 4> bytes;
  Write32(increment, bytes.data());
  PutControl({.length = 4, .type = frame_type::kWindowUpdate, .stream = id},
             {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// 3.4, and a larger window for the connection at once (6.9.2: SETTINGS cannot change it).
void Session::PutFirstSettings() {
  std::string settings;
  if (options_.role == Role::kClient) {
    CHECK(AppendCopy(pool_, kPreface, &out_));
    PutSetting(setting::kEnablePush, 0, &settings);
  } else {
    PutSetting(setting::kMaxConcurrentStreams, options_.max_concurrent_streams, &settings);
    if (options_.allow_connect) PutSetting(setting::kEnableConnectProtocol, 1, &settings);
  }
  PutSetting(setting::kInitialWindowSize, options_.initial_stream_window_size, &settings);
  PutSetting(setting::kMaxHeaderListSize, options_.headers.bytes_max, &settings);
  PutControl({.length = static_cast<uint32_t>(settings.size()), .type = frame_type::kSettings},
             settings);
  if (receive_window_ > int64_t{kWindowDefault}) {
    PutWindowUpdate(0, static_cast<uint32_t>(receive_window_ - kWindowDefault));
  }
}

// Half a window is saved up before the peer is told: few frames, and no stall.
void Session::GiveBackConnection(uint32_t n) {
  consumed_ += n;
  if (n == 0 || failed_ || consumed_ < options_.initial_connection_window_size / 2) return;
  receive_window_ += consumed_;
  PutWindowUpdate(0, std::exchange(consumed_, 0));
}

void Session::GiveBackStream(uint32_t id, Stream& stream, uint32_t n) {
  stream.consumed += n;
  if (n == 0 || failed_ || stream.consumed < options_.initial_stream_window_size / 2) return;
  stream.receive_window += stream.consumed;
  PutWindowUpdate(id, std::exchange(stream.consumed, 0));
}

// HEADERS, and CONTINUATION for what is larger than the peer's frames (6.10: nothing between them).
bool Session::PutHeaders(uint32_t id, const FieldList& fields, bool end) {
  Chain block;
  if (!encoder_.Encode(fields, kFrameHeaderBytes, pool_, &block)) return false;
  const auto size = static_cast<uint32_t>(block.size() - kFrameHeaderBytes);
  const uint32_t first = std::min(size, peer_frame_bytes_max_);
  FrameHeader header{.length = first, .type = frame_type::kHeaders, .stream = id};
  if (end) header.flags |= frame_flag::kEndStream;
  if (first == size) header.flags |= frame_flag::kEndHeaders;
  // The encoder left room for it in the first slice, which nobody else holds yet.
  WriteFrameHeader(header, const_cast<uint8_t*>(block.front().data()));
  out_.Append(block.TakePrefix(kFrameHeaderBytes + first));
  while (!block.empty()) {
    const auto n = static_cast<uint32_t>(std::min<size_t>(block.size(), peer_frame_bytes_max_));
    FrameHeader next{.length = n, .type = frame_type::kContinuation, .stream = id};
    if (n == block.size()) next.flags |= frame_flag::kEndHeaders;
    if (!PutFrame(next, {})) {
      // Half a block cannot be taken back: the peer's table is lost.
      Fail(ErrorCode::kInternalError, "overload");
      return false;
    }
    out_.Append(block.TakePrefix(n));
  }
  return true;
}

uint32_t Session::SendRequest(const RequestOut& request, Instant now) {
  if (!can_open()) return 0;
  FieldList fields;
  const bool tunnel = !request.protocol.empty() || request.method == "CONNECT";
  if (!request.protocol.empty()) {
    ListExtendedConnect(request.protocol, request.scheme, request.authority, request.path,
                        *request.headers, &fields);
  } else if (tunnel) {
    ListConnect(request.authority, *request.headers, &fields);
  } else {
    ListRequest(request.method, request.scheme, request.authority, request.path, *request.headers,
                &fields);
  }
  if (!PutHeaders(next_own_id_, fields, request.end)) return 0;
  const uint32_t id = next_own_id_;
  next_own_id_ += 2;
  ++streams_opened_;
  Stream& stream = streams_[id];
  stream.send_window = peer_initial_window_;
  stream.receive_window = FirstReceiveWindow();
  stream.opened = now;
  stream.head_request = request.method == "HEAD";
  stream.tunnel = tunnel;
  stream.end_queued = stream.local_ended = request.end;
  return id;
}

bool Session::SendResponse(uint32_t id, uint16_t status, const http::HeaderBlock& headers,
                           bool end) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return true;
  CHECK(!stream->head_sent && status >= 100 && status < 1000);
  std::array<char, 3> digits;
  std::to_chars(digits.data(), digits.data() + digits.size(), status);
  FieldList fields;
  ListResponse({digits.data(), digits.size()}, headers, &fields);
  if (!PutHeaders(id, fields, end)) {
    Reset(id, ErrorCode::kInternalError);
    return false;
  }
  stream->head_sent = status >= 200;
  if (end) {
    stream->end_queued = stream->local_ended = true;
    CloseIfEnded(id, *stream);
  }
  return true;
}

bool Session::SendBody(uint32_t id, Chain bytes) {
  Stream* const stream = Find(id);
  if (stream == nullptr || bytes.empty()) return true;
  CHECK(!stream->end_queued);
  stream->queue.Append(std::move(bytes));
  MarkReady(id, *stream);
  stream->full = stream->queue.size() > options_.stream_send_bytes_max;
  return !stream->full;
}

void Session::SendEnd(uint32_t id, std::optional<http::HeaderBlock> trailers) {
  Stream* const stream = Find(id);
  if (stream == nullptr || stream->end_queued) return;
  stream->end_queued = true;
  stream->trailers = std::move(trailers);
  MarkReady(id, *stream);
}

void Session::MarkReady(uint32_t id, Stream& stream) {
  send_blocked_ = false;
  const bool something = !stream.queue.empty() || (stream.end_queued && !stream.local_ended);
  if (stream.ready || !something) return;
  stream.ready = true;
  ready_.push_back(id);
}

// One frame of a stream's body. kWaits: for a WINDOW_UPDATE of its own.
Session::Sent Session::SendSome(uint32_t id, Stream& stream, size_t* room) {
  const int64_t window = std::min(stream.send_window, send_window_);
  const auto n = static_cast<size_t>(std::clamp<int64_t>(
      window, 0,
      static_cast<int64_t>(std::min({stream.queue.size(), *room, size_t{kDataFrameBytesMax}}))));
  if (n == 0 && !stream.queue.empty()) {
    return stream.send_window <= 0 ? Sent::kWaits : Sent::kBlocked;
  }
  const bool last = n == stream.queue.size() && stream.end_queued;
  const bool end = last && !stream.trailers.has_value();
  if (n > 0 || end) {
    FrameHeader header{.length = static_cast<uint32_t>(n), .type = frame_type::kData, .stream = id};
    if (end) header.flags |= frame_flag::kEndStream;
    if (!PutFrame(header, {})) return Sent::kBlocked;
    out_.Append(stream.queue.TakePrefix(n));
    ++data_frames_sent_;
    stream.send_window -= static_cast<int64_t>(n);
    send_window_ -= static_cast<int64_t>(n);
    *room -= std::min(*room, n + kFrameHeaderBytes);
  }
  if (stream.full && stream.queue.size() <= options_.stream_send_bytes_max / 2) {
    stream.full = false;
    has_space_.push_back(id);
  }
  if (!last) return stream.queue.empty() ? Sent::kWaits : Sent::kMore;
  if (stream.trailers.has_value()) {
    FieldList fields;
    ListTrailers(*stream.trailers, &fields);
    if (!PutHeaders(id, fields, true)) return Sent::kBlocked;
  }
  return Sent::kEnded;
}

// Streams take turns, a frame each.
Chain Session::TakeOutput(size_t room) {
  bool progress = true;
  while (progress && room > 0 && !ready_.empty() && !failed_) {
    progress = false;
    turn_.swap(ready_);
    ready_.clear();
    for (const uint32_t id : turn_) {
      Stream* const stream = Find(id);
      if (stream == nullptr) continue;
      stream->ready = false;
      const Sent sent = room > 0 ? SendSome(id, *stream, &room) : Sent::kMore;
      progress |= sent == Sent::kMore || sent == Sent::kWaits;
      if (sent == Sent::kEnded) {
        progress = true;
        stream->local_ended = true;
        CloseIfEnded(id, *stream);
      } else if (sent != Sent::kWaits) {
        stream->ready = true;
        ready_.push_back(id);
      }
    }
  }
  send_blocked_ = !progress;
  control_frames_out_ = 0;
  return std::move(out_);
}

bool Session::HasOutput(bool room) const {
  return !out_.empty() || (room && !ready_.empty() && !send_blocked_ && !failed_);
}

}  // namespace meltemi::http2
