// What a peer must not do, one row each: RFC 9113's connection and stream errors, and its floods.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "l7/base/heap_buffer_pool.h"
#include "l7/http2/session.h"
#include "l7/http2/testing/frames.h"

namespace meltemi::http2 {
namespace {

using frame_flag::kAck;
using frame_flag::kEndHeaders;
using frame_flag::kEndStream;
using frame_flag::kPadded;
using frame_type::kContinuation;
using frame_type::kData;
using frame_type::kGoAway;
using frame_type::kHeaders;
using frame_type::kPing;
using frame_type::kPriority;
using frame_type::kPushPromise;
using frame_type::kRstStream;
using frame_type::kSettings;
using frame_type::kWindowUpdate;

struct Row {
  std::string name;
  std::string bytes;  // after the client's preface and SETTINGS
  ErrorCode code;
  std::string reason;
};

std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

struct Outcome {
  std::optional<ErrorCode> error, reset;
  std::string reason;
  int requests = 0;
};

// `piece` bytes at a time.
Outcome Serve(std::string_view bytes, size_t piece, HeapBufferPool* pool, bool answer = false) {
  HpackMemory memory;
  Session session({}, &memory, pool);
  Outcome out;
  Chain in;
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    CHECK(AppendCopy(pool, bytes.substr(0, n), &in));
    bytes.remove_prefix(n);
    Event event;
    while ((event = session.Next(&in, Instant())) != Event::kNeedMore) {
      if (event == Event::kRequest) {
        ++out.requests;
        const http::RequestHead head = session.TakeRequest();
        const http::HeaderBlock none(pool);
        if (answer) session.SendResponse(session.stream(), 200, none, true);
      }
      if (event == Event::kBody) session.Consumed(session.stream(), session.TakeBody().size());
      if (event == Event::kEnd) session.TakeTrailers();
      if (event == Event::kReset && !out.reset && !session.reset_by_peer()) {
        out.reset = session.reset_code();
        out.reason = session.reset_reason();
      }
      if (event == Event::kError) {
        out.error = session.error_code();
        out.reason = session.error_reason();
        const std::string output = session.TakeOutput(1 << 20).ToString();
        const size_t last = output.rfind(Frame(kGoAway, 0, 0, "12345678").substr(0, 9));
        EXPECT_NE(last, std::string::npos);
        EXPECT_EQ(output.size() - last, kFrameHeaderBytes + 8) << "GOAWAY is the last frame";
        EXPECT_EQ(Read32(reinterpret_cast<const uint8_t*>(output.data()) + last + 13),
                  static_cast<uint32_t>(*out.error));
        in.Clear();
        return out;
      }
    }
    if (answer) session.TakeOutput(1 << 20);
  }
  in.Clear();
  return out;
}

class ConnectionErrors : public testing::TestWithParam<Row> {};

TEST_P(ConnectionErrors, EndTheConnectionWithANamedReason) {
  HeapBufferPool pool;
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1} << 20}) {
    const Outcome out = Serve(Hello() + GetParam().bytes, piece, &pool);
    ASSERT_TRUE(out.error.has_value()) << "piece " << piece;
    EXPECT_EQ(*out.error, GetParam().code);
    EXPECT_EQ(out.reason, GetParam().reason);
  }
  EXPECT_EQ(pool.outstanding(), 0u);
}

constexpr ErrorCode kProtocol = ErrorCode::kProtocolError;
constexpr ErrorCode kSize = ErrorCode::kFrameSizeError;
constexpr ErrorCode kFlow = ErrorCode::kFlowControlError;
constexpr ErrorCode kCalm = ErrorCode::kEnhanceYourCalm;

std::vector<Row> FramingRows() {
  const std::string too_large = Frame(kData, 0, 1, std::string(16'385, 'x'));
  return {
      {"FrameTooLarge", too_large, kSize, "http2.frame_too_large"},
      {"DataOnConnection", Frame(kData, 0, 0, "x"), kProtocol, "http2.data_on_idle_stream"},
      {"DataOnIdleStream", Frame(kData, 0, 5, "x"), kProtocol, "http2.data_on_idle_stream"},
      {"PaddingTooLong",
       Post(1) + Frame(kData, kPadded, 1,
                       "\x05"
                       "abcd"),
       kProtocol, "http2.padding_too_long"},
      {"PaddedAndEmpty", Post(1) + Frame(kData, kPadded, 1, ""), kSize, "http2.frame_too_short"},
      {"HeadersOnConnection", Frame(kHeaders, kEndHeaders, 0, kGetBlock), kProtocol,
       "http2.bad_stream_id"},
      {"HeadersOnEvenStream", Get(2), kProtocol, "http2.bad_stream_id"},
      {"HeadersPriorityCut", Frame(kHeaders, kEndHeaders | frame_flag::kPriority, 1, "abc"), kSize,
       "http2.frame_too_short"},
      {"ContinuationAlone", Frame(kContinuation, kEndHeaders, 1, ""), kProtocol,
       "http2.continuation_expected"},
      {"FrameInsideBlock", Frame(kHeaders, 0, 1, kGetBlock) + Frame(kPing, 0, 0, "12345678"),
       kProtocol, "http2.continuation_expected"},
      {"ContinuationOfOther", Frame(kHeaders, 0, 1, kGetBlock) + Frame(kContinuation, 4, 3, ""),
       kProtocol, "http2.continuation_expected"},
      {"BadHpackIndex", Frame(kHeaders, kEndHeaders, 1, "\xff\xff\xff\x7f"),
       ErrorCode::kCompressionError, "http2.header_compression"},
      {"HpackCutShort",
       Frame(kHeaders, kEndHeaders, 1,
             "\x82\x40\x0a"
             "abc"),
       ErrorCode::kCompressionError, "http2.header_compression"},
      {"PushPromise", Frame(kPushPromise, kEndHeaders, 1, "abcd"), kProtocol, "http2.push_promise"},
  };
}

std::vector<Row> ControlRows() {
  return {
      {"SettingsOnStream", Frame(kSettings, 0, 1, ""), kProtocol, "http2.bad_stream_id"},
      {"SettingsOfFiveBytes", Frame(kSettings, 0, 0, "12345"), kSize, "http2.settings_size"},
      {"SettingsAckWithPayload", Frame(kSettings, kAck, 0, Setting(1, 1)), kSize,
       "http2.settings_ack_size"},
      {"SettingsEnablePush", Frame(kSettings, 0, 0, Setting(setting::kEnablePush, 2)), kProtocol,
       "http2.settings_enable_push"},
      {"SettingsWindow", Frame(kSettings, 0, 0, Setting(setting::kInitialWindowSize, 1u << 31)),
       kFlow, "http2.settings_initial_window"},
      {"SettingsFrameSize", Frame(kSettings, 0, 0, Setting(setting::kMaxFrameSize, 16'383)),
       kProtocol, "http2.settings_max_frame_size"},
      {"SettingsMakeAWindowTooLarge",
       Post(1) + Frame(kWindowUpdate, 0, 1, Big(0x7fff'0000)) +
           Frame(kSettings, 0, 0, Setting(setting::kInitialWindowSize, 0x7fff'ffff)),
       kFlow, "http2.stream_window"},
      {"PingOnStream", Frame(kPing, 0, 1, "12345678"), kProtocol, "http2.bad_stream_id"},
      {"PingOfSeven", Frame(kPing, 0, 0, "1234567"), kSize, "http2.frame_size"},
      {"GoAwayOnStream", Frame(kGoAway, 0, 1, "12345678"), kProtocol, "http2.bad_stream_id"},
      {"GoAwayShort", Frame(kGoAway, 0, 0, "1234567"), kSize, "http2.frame_size"},
      {"GoAwayGrows", Frame(kGoAway, 0, 0, Big(1) + Big(0)) + Frame(kGoAway, 0, 0, Big(3) + Big(0)),
       kProtocol, "http2.goaway_grows"},
      {"ResetOnConnection", Frame(kRstStream, 0, 0, Big(8)), kProtocol, "http2.bad_stream_id"},
      {"ResetOfIdle", Frame(kRstStream, 0, 1, Big(8)), kProtocol, "http2.reset_of_idle_stream"},
      {"ResetOfThree", Post(1) + Frame(kRstStream, 0, 1, "123"), kSize, "http2.frame_size"},
      {"WindowUpdateOfZero", Frame(kWindowUpdate, 0, 0, Big(0)), kProtocol,
       "http2.window_update_of_zero"},
      {"WindowUpdateOfIdle", Frame(kWindowUpdate, 0, 1, Big(1)), kProtocol,
       "http2.window_update_of_idle_stream"},
      {"WindowUpdateShort", Frame(kWindowUpdate, 0, 0, "123"), kSize, "http2.frame_size"},
      {"ConnectionWindowOverflows", Frame(kWindowUpdate, 0, 0, Big(0x7fff'ffff)), kFlow,
       "http2.connection_window"},
      {"PriorityOnConnection", Frame(kPriority, 0, 0, "12345"), kProtocol, "http2.bad_stream_id"},
      {"PriorityOfFour", Frame(kPriority, 0, 1, "1234"), kSize, "http2.frame_size"},
  };
}

// Opened and reset at once.
std::string Resets(int n) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    const auto id = static_cast<uint32_t>(2 * i + 1);
    out += Post(id) + Frame(kRstStream, 0, id, Big(8));
  }
  return out;
}

std::vector<Row> FloodRows() {
  return {
      {"PingFlood", Times(1001, Frame(kPing, 0, 0, "12345678")), kCalm,
       "http2.outbound_control_flood"},
      {"SettingsFlood", Times(1001, Frame(kSettings, 0, 0, "")), kCalm,
       "http2.outbound_control_flood"},
      {"EmptyDataFlood", Post(1) + Times(2, Frame(kData, 0, 1, "")), kCalm,
       "http2.empty_frame_flood"},
      {"ContinuationFlood",
       Frame(kHeaders, 0, 1, kGetBlock) + Times(65, Frame(kContinuation, 0, 1, "")), kCalm,
       "http2.continuation_flood"},
      {"PriorityFlood", Times(101, Frame(kPriority, 0, 1, std::string(5, '\0'))), kCalm,
       "http2.priority_flood"},
      {"WindowUpdateFlood", Times(6, Frame(kWindowUpdate, 0, 0, Big(1))), kCalm,
       "http2.window_update_flood"},
      {"RapidReset", Resets(500), kCalm, "http2.premature_resets"},
  };
}

std::string NameOf(const testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Framing, ConnectionErrors, testing::ValuesIn(FramingRows()), NameOf);
INSTANTIATE_TEST_SUITE_P(Control, ConnectionErrors, testing::ValuesIn(ControlRows()), NameOf);
INSTANTIATE_TEST_SUITE_P(Floods, ConnectionErrors, testing::ValuesIn(FloodRows()), NameOf);

TEST(Floods, OneLessIsNoFlood) {
  HeapBufferPool pool;
  const std::vector<std::string> rows = {
      Times(997, Frame(kPing, 0, 0, "12345678")),  // three more control frames were ours
      Post(1) + Times(1, Frame(kData, 0, 1, "")) + Frame(kData, kEndStream, 1, "x"),
      Frame(kHeaders, kEndStream, 1, kGetBlock) + Times(63, Frame(kContinuation, 0, 1, "")) +
          Frame(kContinuation, kEndHeaders, 1, ""),
      Times(100, Frame(kPriority, 0, 1, std::string(5, '\0'))),
      Times(5, Frame(kWindowUpdate, 0, 0, Big(1))),
      Resets(499),
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const Outcome out = Serve(Hello() + rows[i], 1 << 20, &pool);
    EXPECT_FALSE(out.error.has_value()) << "row " << i << ": " << out.reason;
  }
}

TEST(Floods, StreamsThatWereAnsweredAreNotPremature) {
  HeapBufferPool pool;
  std::string many;
  for (uint32_t id = 1; id < 4000; id += 2) many += Get(id);
  const Outcome out = Serve(Hello() + many, 1000, &pool, true);
  EXPECT_FALSE(out.error.has_value()) << out.reason;
  EXPECT_EQ(out.requests, 2000);
}

TEST(Preface, MustComeFirst) {
  HeapBufferPool pool;
  for (const std::string_view bad :
       {"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n"}) {
    EXPECT_EQ(Serve(bad, 5, &pool).reason, "http2.bad_preface");
  }
  const std::string no_settings = std::string(kPreface) + Get(1);
  EXPECT_EQ(Serve(no_settings, 5, &pool).reason, "http2.settings_expected");
  const std::string ack_first = std::string(kPreface) + Frame(kSettings, kAck, 0, "");
  EXPECT_EQ(Serve(ack_first, 5, &pool).reason, "http2.settings_expected");
}

class StreamErrors : public testing::TestWithParam<Row> {};

TEST_P(StreamErrors, EndTheStreamAndTheNextOneIsServed) {
  HeapBufferPool pool;
  for (const size_t piece : {size_t{1}, size_t{1} << 20}) {
    const Outcome out = Serve(Hello() + GetParam().bytes + Get(101), piece, &pool);
    EXPECT_FALSE(out.error.has_value()) << out.reason;
    ASSERT_TRUE(out.reset.has_value());
    EXPECT_EQ(*out.reset, GetParam().code);
    EXPECT_EQ(out.reason, GetParam().reason);
    EXPECT_GE(out.requests, 1);
  }
  EXPECT_EQ(pool.outstanding(), 0u);
}

using List = std::vector<std::pair<std::string, std::string>>;

// A block of literal fields without indexing (RFC 7541 6.2.2), of names and values below 127 bytes.
std::string Request(const List& fields, bool end = true) {
  std::string block;
  for (const auto& [name, value] : fields) {
    block += '\0';
    block += static_cast<char>(name.size());
    block += name;
    block += static_cast<char>(value.size());
    block += value;
  }
  return Frame(kHeaders, kEndHeaders | (end ? kEndStream : 0), 1, block);
}

const List kPlain = {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}};

std::string With(const std::string& name, const std::string& value, bool end = true) {
  List fields = kPlain;
  fields.emplace_back(name, value);
  return Request(fields, end);
}

std::string Without(size_t field) {
  List fields = kPlain;
  fields.erase(fields.begin() + static_cast<ptrdiff_t>(field));
  return Request(fields);
}

std::vector<Row> MessageRows() {
  const std::string kMessaging = "http2.violation.of.messaging.rule";
  const std::string kField = "http2.invalid.header.field";
  return {
      {"UpperCaseName", With("X-Up", "1"), kProtocol, kField},
      {"LineBreakInValue", With("x", "a\r\nb: c"), kProtocol, kField},
      {"ConnectionHeader", With("connection", "close"), kProtocol, kField},
      {"TransferEncoding", With("transfer-encoding", "chunked"), kProtocol, kField},
      {"TeGzip", With("te", "gzip"), kProtocol, kField},
      {"NoMethod", Without(0), kProtocol, kMessaging},
      {"NoScheme", Without(1), kProtocol, kMessaging},
      {"NoPath", Without(2), kProtocol, kMessaging},
      {"UnknownPseudo", With(":fast", "1"), kProtocol, kMessaging},
      {"StatusInRequest", With(":status", "200"), kProtocol, kMessaging},
      {"PathTwice", With(":path", "/2"), kProtocol, kMessaging},
      {"LengthOfNothing", With("content-length", "5"), kProtocol, kMessaging},
      {"BodyTooShort", With("content-length", "5", false) + Frame(kData, kEndStream, 1, "abc"),
       kProtocol, "http2.body_too_short"},
      {"BodyTooLong", With("content-length", "2", false) + Frame(kData, 0, 1, "abc"), kProtocol,
       "http2.body_too_long"},
      {"TrailersGoOn", With("x", "y", false) + Request({{"z", "1"}}, false), kProtocol,
       "http2.trailers_without_end"},
      {"PseudoInTrailers", With("x", "y", false) + Request({{":path", "/"}}), kProtocol,
       kMessaging},
      {"DataAfterEnd", Get(1) + Frame(kData, 0, 1, "abc"), ErrorCode::kStreamClosed,
       "http2.data_after_end"},
      {"HeadersAfterEnd", Get(1) + Get(1), ErrorCode::kStreamClosed, "http2.headers_after_end"},
      {"WindowUpdateOfZero", Post(1) + Frame(kWindowUpdate, 0, 1, Big(0)), kProtocol,
       "http2.window_update_of_zero"},
      {"StreamWindowOverflows", Post(1) + Frame(kWindowUpdate, 0, 1, Big(0x7fff'ffff)), kFlow,
       "http2.stream_window"},
      {"PriorityOnItself", Post(1) + Frame(kPriority, 0, 1, Big(1) + "x"), kProtocol,
       "http2.priority_on_itself"},
  };
}

INSTANTIATE_TEST_SUITE_P(Messages, StreamErrors, testing::ValuesIn(MessageRows()), NameOf);

TEST(Ignored, WhatIsUnknownIsSkipped) {
  HeapBufferPool pool;
  const std::string bytes = Hello(Setting(0x1234, 9)) + Frame(0x77, 0xff, 3, "whatever") +
                            Frame(frame_type::kPriority, 0, 9,
                                  "\x80"
                                  "1234") +
                            Get(1) + Frame(kGoAway, 0, 0, Big(0) + Big(0) + "so long") + Get(3);
  const Outcome out = Serve(bytes, 3, &pool);
  EXPECT_FALSE(out.error.has_value()) << out.reason;
  EXPECT_EQ(out.requests, 2);
}

}  // namespace
}  // namespace meltemi::http2
