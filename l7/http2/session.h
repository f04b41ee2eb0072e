// Session: one HTTP/2 connection, either side. RFC 9113. Bytes in, events out, pulled; frames to
// send are pulled too. Framing and flow control are ours, header compression is nghttp2's.
//
//   in.Append(bytes);
//   while (true) switch (session.Next(&in, now)) {
//     case Event::kNeedMore: write session.TakeOutput(room); return;
//     case Event::kRequest:  session.stream(), session.TakeRequest() ...
//     ...
//   }
//
// Owns: streams, windows, both header tables, what waits to be sent. Must not know routes,
// upstreams, TCP. Called by l7/engine on its worker's thread. Never calls back. A stream's receive
// window opens as Consumed is called: a slow reader holds back a fast sender, stream by stream.
// Bounds: SessionOptions, whose defaults are Envoy's; what floods (RFC 9113 10.5) ends the
// connection with ENHANCE_YOUR_CALM and a named reason.
#ifndef MELTEMI_L7_HTTP2_SESSION_H_
#define MELTEMI_L7_HTTP2_SESSION_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/base/slice.h"
#include "l7/base/time.h"
#include "l7/http/message.h"
#include "l7/http2/frame.h"
#include "l7/http2/hpack.h"
#include "l7/http2/message.h"

namespace meltemi::http2 {

enum class Role : uint8_t { kServer, kClient };

// Names and defaults of envoy.config.core.v3.Http2ProtocolOptions.
struct SessionOptions {
  Role role = Role::kServer;
  uint32_t max_concurrent_streams = 1024;
  uint32_t initial_stream_window_size = 16 * 1024 * 1024;
  uint32_t initial_connection_window_size = 24 * 1024 * 1024;
  uint32_t max_outbound_control_frames = 1'000;
  uint32_t max_consecutive_inbound_frames_with_empty_payload = 1;
  uint32_t max_inbound_priority_frames_per_stream = 100;
  uint32_t max_inbound_window_update_frames_per_data_frame_sent = 10;
  uint32_t premature_reset_total_stream_count = 500;  // overload.premature_reset_...
  Duration premature_reset_min_stream_lifetime = Duration::Seconds(1);
  uint32_t continuation_frames_max = 64;    // of one header block
  uint32_t stream_send_bytes_max = 65'536;  // queued for one stream; above it SendBody says full
  // Server: CONNECT is taken, and extended CONNECT (RFC 8441) said to be.
  bool allow_connect = false;
  HeaderLimits headers;
};

enum class Event : uint8_t {
  kNeedMore,
  kRequest,    // server: stream(), TakeRequest(); kEnd follows when there is no body
  kResponse,   // client: stream(), TakeResponse(); status < 200: another follows
  kBody,       // stream(), TakeBody(): to be given back by Consumed
  kEnd,        // stream(): the peer has ended its half; TakeTrailers()
  kReset,      // stream() is dead: reset_code(), reset_by_peer(), reset_reason()
  kSendSpace,  // stream(): its queue has drained after SendBody said full
  kGoAway,     // the peer takes no new streams; those it did not process follow as kReset with
               // kRefusedStream
  kSettings,   // client: the server's first SETTINGS have come: takes_connect()
  kPong,       // the answer to SendPing
  kError,      // the connection is broken: error_code(), error_reason(); the output ends with
               // GOAWAY; Next says nothing else any more. All streams are dead.
};

class Session {
 public:
  // The preface and the first SETTINGS are in the output at once.
  Session(const SessionOptions& options, HpackMemory* memory, BufferPool* pool);

  Event Next(Chain* in, Instant now);
  uint32_t stream() const { return stream_id_; }
  http::RequestHead TakeRequest() { return std::move(*request_); }
  http::ResponseHead TakeResponse() { return std::move(*response_); }
  Chain TakeBody() { return std::move(body_); }
  // Null when the message had none.
  std::optional<http::HeaderBlock> TakeTrailers() { return std::exchange(trailers_, {}); }
  ErrorCode reset_code() const { return reset_code_; }
  bool reset_by_peer() const { return reset_by_peer_; }
  std::string_view reset_reason() const { return reset_reason_; }
  ErrorCode error_code() const { return error_code_; }
  std::string_view error_reason() const { return error_reason_; }  // a literal

  // Server, before anything has come: the connection was HTTP/1.1 and its request asked for h2c
  // (RFC 7540 3.2). It is stream 1 now and has ended; `settings` are the payload that came with it
  // (DecodeHttp2Settings). False: they are wrong, and the session is of no use.
  bool BeginUpgraded(std::string_view settings, Instant now);

  // Client: whether another stream may be opened now.
  bool can_open() const;
  struct RequestOut {
    std::string_view method, scheme, authority, path;
    const http::HeaderBlock* headers = nullptr;
    bool end = false;  // no body, no trailers
    // Extended CONNECT (RFC 8441), whatever the method; empty: none. A method CONNECT without it
    // has neither scheme nor path (RFC 9113 8.5). What follows either is no body.
    std::string_view protocol = {};
  };
  // Client: whether the server takes extended CONNECT; nothing before its SETTINGS.
  std::optional<bool> takes_connect() const {
    return settings_received_ ? std::optional(peer_takes_connect_) : std::nullopt;
  }
  // Client: sends a request head; 0 when can_open() is false or the pool is exhausted.
  uint32_t SendRequest(const RequestOut& request, Instant now);
  // Server; status < 200 may be followed by another. False when the pool is exhausted: the stream
  // has been reset. Of a dead stream: true, nothing is sent.
  bool SendResponse(uint32_t stream, uint16_t status, const http::HeaderBlock& headers, bool end);
  // False: the queue is above stream_send_bytes_max, stop until kSendSpace. What was given is kept.
  bool SendBody(uint32_t stream, Chain bytes);
  // Ends our half after everything queued. Trailers may be null.
  void SendEnd(uint32_t stream, std::optional<http::HeaderBlock> trailers);
  // RST_STREAM; the stream is dead, no event follows.
  void Reset(uint32_t stream, ErrorCode code);
  // Server, after SendEnd: the rest of the request is not wanted. What is queued is sent; if the
  // request has not ended by then, RST_STREAM with NO_ERROR follows (RFC 9113 8.1). Events of the
  // stream may still come.
  void Abandon(uint32_t stream);
  // Bytes of kBody events have been used up; to be called for all of them, also when the stream is
  // dead: the connection's window is shared.
  void Consumed(uint32_t stream, size_t byte_count);
  // Graceful (RFC 9113 6.8): first GOAWAY says "no more soon", with PING; what was opened before
  // the PING's answer is served. done() when all streams have ended.
  void BeginDrain();

  // Asks whether the peer is there: kPong follows. What comes before it says so, too.
  void SendPing();
  Instant last_frame() const { return last_frame_; }  // when the last one came; at first: never

  // Frames to send, at most about `room` bytes of bodies; control frames always all.
  Chain TakeOutput(size_t room);
  // With room for bodies, or without.
  bool HasOutput(bool room) const;

  size_t stream_count() const { return streams_.size(); }
  bool done() const;  // nothing more will come or go: close the connection
  bool failed() const { return failed_; }

 private:
  struct Stream {
    int64_t send_window = 0, receive_window = 0;
    uint32_t consumed = 0;  // bytes given back but not yet told by WINDOW_UPDATE
    bool remote_ended = false, local_ended = false;
    bool head_received = false;  // the request's, or the final response's
    bool head_sent = false;      // server: the final response's
    bool abandoned = false;
    bool end_queued = false, ready = false, full = false, head_request = false;
    bool has_length = false;
    bool tunnel = false;                // client: CONNECT, of either kind
    uint64_t length = 0, received = 0;  // of the body
    Chain queue;
    std::optional<http::HeaderBlock> trailers;
    Instant opened;
  };
  enum class Phase : uint8_t { kPreface, kFrameHeader, kPayload, kFailed };
  // What a step of receiving decided.
  enum class Step : uint8_t { kAgain, kNeedMore, kEvent };

  // What became of a stream's turn to send.
  enum class Sent : uint8_t {
    kMore,     // it has more
    kWaits,    // it has nothing more now, or waits for its own window
    kBlocked,  // nothing was sent for want of the connection's window, or of memory
    kEnded,    // END_STREAM is out
  };
  static constexpr std::string_view kDrainPing = "mltdrain", kAlivePing = "mltalive";

  // receive.cc
  Step ReadPreface(Chain* in);
  Step ReadFrameHeader(Chain* in);
  Step ReadPayload(Chain* in);
  Step BeginData();
  Step ReadData(Chain* in);
  Step ReadPrefix(Chain* in);
  Step SkipPadding(Chain* in);
  Step BeginHeaders();
  Step ReadHeaders(Chain* in);
  Step EndHeaderBlock();
  template <typename Head>
  static void SetLength(const Head& head, Stream* stream);
  Step OnRequest(Stream& stream);
  Step OnResponse(Stream& stream);
  Step OnTrailers(Stream& stream);
  Step SkipPayload(Chain* in);
  Step EndOfFrame();
  Step EndOfStream(uint32_t id, Stream& stream);
  bool TooManyEmpty(bool empty);

  // control.cc
  Step OnControlFrame(Chain* in);
  Step OnSettings(Chain* in);
  bool ApplySetting(uint16_t id, uint32_t value);
  bool ApplyInitialWindow(uint32_t value);
  void OnSettingsAck();
  Step OnPriority(const uint8_t* payload);
  Step OnPing(const uint8_t* opaque);
  Step OnGoAway(const uint8_t* payload);
  Step OnWindowUpdate(uint32_t increment);
  Step OnRstStream(ErrorCode code);
  Step NextRefused();

  // session.cc
  Step Fail(ErrorCode code, std::string_view reason);
  Step FailStream(uint32_t id, ErrorCode code, std::string_view reason);  // RST and kReset
  Step Emit(Event event, uint32_t stream);
  Stream* Find(uint32_t id);
  void Erase(uint32_t id);
  void CloseIfEnded(uint32_t id, const Stream& stream);
  uint32_t FirstReceiveWindow() const;
  bool IsIdle(uint32_t id) const;
  bool Ours(uint32_t id) const { return (id & 1) == (options_.role == Role::kClient ? 1u : 0u); }

  // send.cc
  bool PutFrame(const FrameHeader& header, std::string_view payload);
  void PutControl(const FrameHeader& header, std::string_view payload);
  void PutRst(uint32_t id, ErrorCode code);
  void PutGoAway(uint32_t last, ErrorCode code);
  bool PutHeaders(uint32_t id, const FieldList& fields, bool end);
  void PutWindowUpdate(uint32_t id, uint32_t increment);
  void PutFirstSettings();
  void GiveBackConnection(uint32_t n);
  void GiveBackStream(uint32_t id, Stream& stream, uint32_t n);
  void MarkReady(uint32_t id, Stream& stream);
  Sent SendSome(uint32_t id, Stream& stream, size_t* room);

  const SessionOptions options_;
  BufferPool* const pool_;
  HpackDecoder decoder_;
  HpackEncoder encoder_;

  // Receiving.
  Phase phase_ = Phase::kPreface;
  uint32_t preface_read_ = 0;
  bool settings_received_ = false, settings_acked_ = false;
  FrameHeader frame_;
  uint32_t payload_left_ = 0;
  uint32_t pad_left_ = 0, pad_total_ = 0;  // with the byte that says how much
  bool pad_read_ = false;
  uint32_t continuation_of_ = 0;  // a header block is open on this stream
  uint32_t continuation_count_ = 0;
  bool block_ends_stream_ = false;
  bool block_ignored_ = false;  // decoded for the table's sake only
  bool priority_read_ = false;
  uint64_t block_bytes_ = 0;
  HpackDecoder::Result block_result_ = HpackDecoder::Result::kOk;
  std::optional<Fields> fields_;
  Instant now_, last_frame_;
  bool ping_out_ = false;  // SendPing's

  // The event.
  Event event_ = Event::kNeedMore;
  uint32_t stream_id_ = 0;
  std::optional<http::RequestHead> request_;
  std::optional<http::ResponseHead> response_;
  std::optional<http::HeaderBlock> trailers_;
  Chain body_;
  ErrorCode reset_code_ = ErrorCode::kNoError;
  bool reset_by_peer_ = false;
  std::string_view reset_reason_;
  uint32_t end_pending_ = 0;         // this stream's kEnd is the next event
  std::vector<uint32_t> refused_;    // streams whose kReset is due after GOAWAY
  std::vector<uint32_t> has_space_;  // streams whose kSendSpace is due

  // Streams.
  absl::flat_hash_map<uint32_t, Stream> streams_;
  uint32_t last_peer_id_ = 0;  // the highest stream the peer has opened
  uint32_t next_own_id_ = 1;   // client
  bool peer_takes_connect_ = false;
  uint32_t peer_max_streams_ = UINT32_MAX;
  uint32_t peer_initial_window_ = kWindowDefault;
  uint32_t peer_frame_bytes_max_ = kFrameBytesDefault;
  int64_t send_window_ = kWindowDefault;  // of the connection
  int64_t receive_window_ = kWindowDefault;
  uint32_t consumed_ = 0;

  // Closing.
  bool failed_ = false;
  bool draining_ = false, drain_told_ = false, goaway_received_ = false;
  uint32_t goaway_last_ = kStreamIdMax;
  ErrorCode error_code_ = ErrorCode::kNoError;
  std::string_view error_reason_;

  // Sending.
  Chain out_;
  std::vector<uint32_t> ready_;  // streams with something to send, in turn
  std::vector<uint32_t> turn_;   // scratch
  std::vector<uint32_t> wake_;   // scratch
  bool send_blocked_ = false;    // the connection's window is used up

  // Floods.
  uint32_t control_frames_out_ = 0;  // in out_
  uint32_t empty_frames_ = 0;        // in a row
  uint64_t priority_frames_ = 0, window_updates_ = 0, data_frames_sent_ = 0;
  uint64_t streams_opened_ = 0, streams_closed_ = 0, premature_resets_ = 0;
};

}  // namespace meltemi::http2

#endif  // MELTEMI_L7_HTTP2_SESSION_H_
