// Session, control frames: RFC 9113 6.3 to 6.9.
#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "l7/base/check.h"
#include "l7/http2/session.h"

namespace meltemi::http2 {
// All but SETTINGS and GOAWAY have one size; they are taken whole.
Session::Step Session::OnControlFrame(Chain* in) {
  const uint8_t type = frame_.type;
  if (type == frame_type::kPushPromise) {  // 8.4: we never allow it
    return Fail(ErrorCode::kProtocolError, "http2.push_promise");
  }
  uint32_t size = 4;  // RST_STREAM, WINDOW_UPDATE
  if (type == frame_type::kPriority) size = 5;
  if (type == frame_type::kPing || type == frame_type::kGoAway) size = 8;
  const bool connection =
      type == frame_type::kSettings || type == frame_type::kPing || type == frame_type::kGoAway;
  const bool either = type == frame_type::kWindowUpdate;
  if (!either && connection != (frame_.stream == 0)) {
    return Fail(ErrorCode::kProtocolError, "http2.bad_stream_id");
  }
  if (type == frame_type::kSettings) return OnSettings(in);
  const bool fits = type == frame_type::kGoAway ? frame_.length >= size : frame_.length == size;
  if (!fits) return Fail(ErrorCode::kFrameSizeError, "http2.frame_size");
  if (payload_left_ < frame_.length) return SkipPayload(in);  // GOAWAY's debug data
  if (in->size() < size) return Step::kNeedMore;
  std::array<uint8_t, 8> bytes{};
  in->CopyTo(0, size, bytes.data());
  in->RemovePrefix(size);
  payload_left_ -= size;
  if (payload_left_ == 0) EndOfFrame();
  if (type == frame_type::kPing) return OnPing(bytes.data());
  if (type == frame_type::kGoAway) return OnGoAway(bytes.data());
  if (type == frame_type::kPriority) return OnPriority(bytes.data());
  if (type == frame_type::kRstStream) return OnRstStream(ErrorCode{Read32(bytes.data())});
  return OnWindowUpdate(Read32(bytes.data()) & kWindowMax);
}

Session::Step Session::OnSettings(Chain* in) {
  if (frame_.Has(frame_flag::kAck)) {
    if (frame_.length != 0) return Fail(ErrorCode::kFrameSizeError, "http2.settings_ack_size");
    OnSettingsAck();
    return EndOfFrame();
  }
  if (frame_.length % kSettingBytes != 0 || frame_.length > kSettingsMax * kSettingBytes) {
    return Fail(ErrorCode::kFrameSizeError, "http2.settings_size");
  }
  if (in->size() < frame_.length) return Step::kNeedMore;
  for (uint32_t at = 0; at < frame_.length; at += kSettingBytes) {
    std::array<uint8_t, kSettingBytes> bytes;
    in->CopyTo(at, bytes.size(), bytes.data());
    const auto id = static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
    if (!ApplySetting(id, Read32(bytes.data() + 2))) return Step::kEvent;
  }
  in->RemovePrefix(frame_.length);
  const bool first = !std::exchange(settings_received_, true);
  PutControl({.type = frame_type::kSettings, .flags = frame_flag::kAck}, {});
  if (failed()) return Step::kEvent;
  const Step step = EndOfFrame();
  if (step != Step::kAgain || !first || options_.role == Role::kServer) return step;
  return Emit(Event::kSettings, 0);
}

bool Session::BeginUpgraded(std::string_view settings, Instant now) {
  CHECK(options_.role == Role::kServer && last_peer_id_ == 0);
  if (settings.size() % kSettingBytes != 0 || settings.size() > kSettingsMax * kSettingBytes) {
    return false;
  }
  const auto* const bytes = reinterpret_cast<const uint8_t*>(settings.data());
  for (size_t at = 0; at < settings.size(); at += kSettingBytes) {
    const auto id = static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
    if (!ApplySetting(id, Read32(bytes + at + 2))) return false;
  }
  now_ = last_frame_ = now;
  last_peer_id_ = 1;
  ++streams_opened_;
  Stream& stream = streams_[1];
  stream.send_window = peer_initial_window_;
  stream.receive_window = FirstReceiveWindow();
  stream.opened = now;
  stream.head_received = stream.remote_ended = true;
  return true;
}

// Until the peer has seen ours, it goes by the first values of 6.9.2.
uint32_t Session::FirstReceiveWindow() const {
  const uint32_t ours = options_.initial_stream_window_size;
  return settings_acked_ ? ours : std::max(ours, kWindowDefault);
}

void Session::OnSettingsAck() {
  if (settings_acked_) return;
  const int64_t before = FirstReceiveWindow();
  settings_acked_ = true;
  for (auto& [id, stream] : streams_) stream.receive_window += FirstReceiveWindow() - before;
}

// RFC 9113 6.5.2. False: the connection has failed.
bool Session::ApplySetting(uint16_t id, uint32_t value) {
  switch (id) {
    case setting::kHeaderTableSize:
      encoder_.SetTableSize(value);
      return true;
    case setting::kEnablePush:
      if (value <= (options_.role == Role::kClient ? 0u : 1u)) return true;
      Fail(ErrorCode::kProtocolError, "http2.settings_enable_push");
      return false;
    case setting::kMaxConcurrentStreams:
      peer_max_streams_ = value;
      return true;
    case setting::kMaxFrameSize:
      if (value < kFrameBytesDefault || value > kFrameBytesMax) {
        Fail(ErrorCode::kProtocolError, "http2.settings_max_frame_size");
        return false;
      }
      peer_frame_bytes_max_ = value;
      return true;
    case setting::kInitialWindowSize:
      return ApplyInitialWindow(value);
    case setting::kEnableConnectProtocol:  // RFC 8441 3: 0 or 1, and not taken back
      if (value > 1 || value < uint32_t{peer_takes_connect_}) {
        Fail(ErrorCode::kProtocolError, "http2.settings_enable_connect_protocol");
        return false;
      }
      peer_takes_connect_ = value == 1;
      return true;
    default:  // 6.5.2: unknown settings are ignored; a peer's number, not an enum
      return true;
  }
}

// 6.9.2: the change applies to every stream there is; a window may become negative.
bool Session::ApplyInitialWindow(uint32_t value) {
  if (value > kWindowMax) {
    Fail(ErrorCode::kFlowControlError, "http2.settings_initial_window");
    return false;
  }
  const int64_t change = int64_t{value} - peer_initial_window_;
  peer_initial_window_ = value;
  for (auto& [id, stream] : streams_) {
    stream.send_window += change;
    if (stream.send_window > int64_t{kWindowMax}) {
      Fail(ErrorCode::kFlowControlError, "http2.stream_window");
      return false;
    }
  }
  // In the order of ids: a hash table's order must not reach the wire.
  wake_.clear();
  for (auto& [id, stream] : streams_) {
    if (stream.send_window > 0) wake_.push_back(id);
  }
  std::sort(wake_.begin(), wake_.end());
  for (const uint32_t id : wake_) MarkReady(id, *Find(id));
  return true;
}

Session::Step Session::OnPing(const uint8_t* opaque) {
  const std::string_view payload(reinterpret_cast<const char*>(opaque), 8);
  if (!frame_.Has(frame_flag::kAck)) {
    PutControl({.length = 8, .type = frame_type::kPing, .flags = frame_flag::kAck}, payload);
    return failed() ? Step::kEvent : Step::kAgain;
  }
  if (payload == kDrainPing && draining_ && !drain_told_) {
    drain_told_ = true;
    PutGoAway(last_peer_id_, ErrorCode::kNoError);
  }
  if (payload == kAlivePing && std::exchange(ping_out_, false)) return Emit(Event::kPong, 0);
  return Step::kAgain;  // of others: we never asked
}

// 6.8: streams above `last` have not been processed.
Session::Step Session::OnGoAway(const uint8_t* payload) {
  const uint32_t last = Read32(payload) & kStreamIdMax;
  if (last > goaway_last_) return Fail(ErrorCode::kProtocolError, "http2.goaway_grows");
  goaway_last_ = last;
  goaway_received_ = true;
  for (const auto& [id, stream] : streams_) {
    if (Ours(id) && id > last) refused_.push_back(id);
  }
  std::sort(refused_.begin(), refused_.end(), std::greater<>());
  return Emit(Event::kGoAway, 0);
}

Session::Step Session::NextRefused() {
  while (!refused_.empty()) {
    const uint32_t id = refused_.back();
    refused_.pop_back();
    if (Find(id) == nullptr) continue;
    reset_code_ = ErrorCode::kRefusedStream;
    reset_by_peer_ = true;
    reset_reason_ = "http2.goaway";
    Erase(id);
    return Emit(Event::kReset, id);
  }
  return Step::kAgain;
}

Session::Step Session::OnPriority(const uint8_t* payload) {
  if (++priority_frames_ >
      uint64_t{options_.max_inbound_priority_frames_per_stream} * (1 + streams_opened_)) {
    return Fail(ErrorCode::kEnhanceYourCalm, "http2.priority_flood");
  }
  if ((Read32(payload) & kStreamIdMax) == frame_.stream && Find(frame_.stream) != nullptr) {
    return FailStream(frame_.stream, ErrorCode::kProtocolError, "http2.priority_on_itself");
  }
  return Step::kAgain;  // 5.3.2: not used
}

Session::Step Session::OnRstStream(ErrorCode code) {
  const uint32_t id = frame_.stream;
  if (IsIdle(id)) return Fail(ErrorCode::kProtocolError, "http2.reset_of_idle_stream");
  Stream* const stream = Find(id);
  if (stream == nullptr) return Step::kAgain;
  // Rapid reset (CVE-2023-44487), counted as Envoy does: streams that end before they were worth
  // opening. More than half of all, once there were enough to tell.
  const bool premature =
      !stream->head_sent || now_ - stream->opened < options_.premature_reset_min_stream_lifetime;
  if (options_.role == Role::kServer && premature) ++premature_resets_;
  Erase(id);
  if (streams_closed_ >= options_.premature_reset_total_stream_count &&
      premature_resets_ * 2 > streams_closed_) {
    return Fail(ErrorCode::kEnhanceYourCalm, "http2.premature_resets");
  }
  reset_code_ = code;
  reset_by_peer_ = true;
  reset_reason_ = "http2.remote_reset";
  return Emit(Event::kReset, id);
}

Session::Step Session::OnWindowUpdate(uint32_t increment) {
  const uint32_t id = frame_.stream;
  // Envoy's bound: a few, and ten for every DATA frame that could have asked for one.
  const uint64_t allowed =
      5 + 2 * (streams_opened_ +
               uint64_t{options_.max_inbound_window_update_frames_per_data_frame_sent} *
                   data_frames_sent_);
  if (++window_updates_ > allowed) {
    return Fail(ErrorCode::kEnhanceYourCalm, "http2.window_update_flood");
  }
  if (id == 0) {
    if (increment == 0) return Fail(ErrorCode::kProtocolError, "http2.window_update_of_zero");
    send_window_ += increment;
    if (send_window_ > int64_t{kWindowMax}) {
      return Fail(ErrorCode::kFlowControlError, "http2.connection_window");
    }
    return Step::kAgain;
  }
  if (IsIdle(id)) return Fail(ErrorCode::kProtocolError, "http2.window_update_of_idle_stream");
  Stream* const stream = Find(id);
  if (stream == nullptr) return Step::kAgain;
  if (increment == 0) {
    return FailStream(id, ErrorCode::kProtocolError, "http2.window_update_of_zero");
  }
  stream->send_window += increment;
  if (stream->send_window > int64_t{kWindowMax}) {
    return FailStream(id, ErrorCode::kFlowControlError, "http2.stream_window");
  }
  MarkReady(id, *stream);
  return Step::kAgain;
}

}  // namespace meltemi::http2
