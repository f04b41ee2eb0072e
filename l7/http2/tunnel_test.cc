// Goal: CONNECT of both kinds in a session, either side, and the PING that asks for life. Method:
// nghttp2 as the peer, or frames by hand where it would not say that.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/http2/session.h"
#include "l7/http2/testing/frames.h"
#include "l7/http2/testing/peer.h"

namespace meltemi::http2 {
namespace {

class TunnelSessionTest : public testing::Test {
 protected:
  Session& Make(Role role) {
    SessionOptions options;
    options.role = role;
    options.allow_connect = true;
    session_.emplace(options, &memory_, &pool_);
    return *session_;
  }
  std::vector<Event> Feed(std::string_view bytes) {
    EXPECT_TRUE(AppendCopy(&pool_, bytes, &in_));
    std::vector<Event> events;
    Event event;
    while ((event = session_->Next(&in_, now_)) != Event::kNeedMore) {
      events.push_back(event);
      if (event == Event::kBody) session_->TakeBody();
      if (event == Event::kError) break;
    }
    return events;
  }
  void Talk(Peer& peer) {
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(peer.Input(session_->TakeOutput(1 << 20).ToString()));
      for (const Event event : Feed(peer.Output())) events_.push_back(event);
    }
  }
  uint32_t Ask(std::string_view method, std::string_view protocol) {
    const http::HeaderBlock none(&pool_);
    return session_->SendRequest({.method = method,
                                  .scheme = "http",
                                  .authority = "a:1",
                                  .path = "/chat",
                                  .headers = &none,
                                  .protocol = protocol},
                                 now_);
  }

  HeapBufferPool pool_;
  HpackMemory memory_;
  std::optional<Session> session_;
  Chain in_;
  Instant now_ = Instant::FromNanos(5'000'000'000);
  std::vector<Event> events_;
};

TEST_F(TunnelSessionTest, WhatAServerTakesIsKnownFromItsSettings) {
  for (const uint32_t value : {0u, 1u}) {
    Make(Role::kClient);
    EXPECT_FALSE(session_->takes_connect().has_value());
    const std::string settings = Setting(setting::kEnableConnectProtocol, value);
    EXPECT_EQ(Feed(Frame(frame_type::kSettings, 0, 0, settings)),
              std::vector<Event>{Event::kSettings});
    EXPECT_EQ(session_->takes_connect(), value == 1);
    EXPECT_TRUE(Feed(Frame(frame_type::kSettings, 0, 0, "")).empty());  // said once
    EXPECT_EQ(session_->takes_connect(), value == 1);
  }
}

TEST_F(TunnelSessionTest, ItIsNotTakenBack) {
  Make(Role::kClient);
  Feed(Frame(frame_type::kSettings, 0, 0, Setting(setting::kEnableConnectProtocol, 1)));
  EXPECT_EQ(
      Feed(Frame(frame_type::kSettings, 0, 0, Setting(setting::kEnableConnectProtocol, 0))).back(),
      Event::kError);
  EXPECT_EQ(session_->error_reason(), "http2.settings_enable_connect_protocol");
}

TEST_F(TunnelSessionTest, BothKindsReachNghttp2) {
  Make(Role::kClient);
  Peer peer(Peer::Side::kServer, {{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}});
  Talk(peer);
  const uint32_t extended = Ask("GET", "websocket"), plain = Ask("CONNECT", "");
  Talk(peer);
  const Headers want_extended = {{":method", "CONNECT"},
                                 {":protocol", "websocket"},
                                 {":scheme", "http"},
                                 {":authority", "a:1"},
                                 {":path", "/chat"}};
  const Headers want_plain = {{":method", "CONNECT"}, {":authority", "a:1"}};
  EXPECT_EQ(peer.stream(static_cast<int32_t>(extended)).headers, want_extended);
  EXPECT_EQ(peer.stream(static_cast<int32_t>(plain)).headers, want_plain);
  peer.Answer(static_cast<int32_t>(plain), {{":status", "200"}, {"x", "y"}});
  peer.Say(static_cast<int32_t>(plain), "bytes", Peer::Then::kEnd);
  Talk(peer);
  EXPECT_EQ(events_,
            (std::vector<Event>{Event::kSettings, Event::kResponse, Event::kBody, Event::kEnd}));
}

// Goal: no length counts in a 2xx to CONNECT (RFC 9110 9.3.6). Method: content-length 2 and five
// bytes; the same answer to a GET is an error.
TEST_F(TunnelSessionTest, AnAnswersLengthIsNone) {
  const std::string block = std::string("\x88\x0f\x0d\x01", 4) + "2";  // :status 200, length 2
  for (const bool connect : {true, false}) {
    Make(Role::kClient);
    const uint32_t id = connect ? Ask("CONNECT", "") : Ask("GET", "");
    Feed(Frame(frame_type::kSettings, 0, 0, ""));
    const auto head = Feed(Frame(frame_type::kHeaders, frame_flag::kEndHeaders, id, block));
    ASSERT_EQ(head, std::vector<Event>{Event::kResponse});
    http::ResponseHead response = session_->TakeResponse();
    EXPECT_EQ(response.headers.Has(http::Known::kContentLength), !connect);
    EXPECT_EQ(Feed(Frame(frame_type::kData, 0, id, "hello")),
              std::vector<Event>{connect ? Event::kBody : Event::kReset});
  }
}

TEST_F(TunnelSessionTest, AServerTakesConnect) {
  Make(Role::kServer);
  Peer peer(Peer::Side::kClient);
  const int32_t id = peer.Open({{":method", "CONNECT"}, {":authority", "a:1"}});
  Talk(peer);
  ASSERT_EQ(events_, std::vector<Event>{Event::kRequest});
  const http::RequestHead head = session_->TakeRequest();
  EXPECT_TRUE(head.connect && head.upgrade);
  EXPECT_EQ(head.method, "CONNECT");
  EXPECT_EQ(head.authority, "a:1");
  EXPECT_EQ(head.path, "");
  EXPECT_EQ(head.framing, http::Framing::kNone);
  peer.Say(id, "through");
  Talk(peer);
  EXPECT_EQ(events_.back(), Event::kBody);
}

TEST_F(TunnelSessionTest, AServerRefusesBadConnect) {
  const Headers kBad[] = {
      {{":method", "CONNECT"}, {":authority", "a"}},
      {{":method", "CONNECT"}, {":authority", "a:0"}},
      {{":method", "CONNECT"}, {":authority", "a:1"}, {"content-length", "4"}},
  };
  for (const Headers& headers : kBad) {
    Make(Role::kServer);
    Peer peer(Peer::Side::kClient);
    events_.clear();
    peer.Open(headers);
    Talk(peer);
    EXPECT_EQ(events_, std::vector<Event>{Event::kReset}) << headers[1].second;
  }
}

TEST_F(TunnelSessionTest, APingIsAnswered) {
  Make(Role::kServer);
  Peer peer(Peer::Side::kClient);
  Talk(peer);
  EXPECT_EQ(session_->last_frame(), now_);
  now_ = now_ + Duration::Seconds(1);
  session_->SendPing();
  Talk(peer);
  EXPECT_EQ(events_, std::vector<Event>{Event::kPong});
  EXPECT_EQ(session_->last_frame(), now_);
  // What we have not asked is no answer.
  EXPECT_TRUE(Feed(Frame(frame_type::kPing, frame_flag::kAck, 0, "mltalive")).empty());
}

// RFC 7540 3.2: the request was HTTP/1.1's and is stream 1.
TEST_F(TunnelSessionTest, AnUpgradedSessionHasItsFirstStream) {
  Make(Role::kServer);
  ASSERT_TRUE(session_->BeginUpgraded(Setting(setting::kMaxFrameSize, 20'000), now_));
  EXPECT_EQ(session_->stream_count(), 1u);
  const http::HeaderBlock none(&pool_);
  EXPECT_TRUE(session_->SendResponse(1, 200, none, false));
  Chain body;
  ASSERT_TRUE(AppendCopy(&pool_, "x", &body));
  session_->SendBody(1, std::move(body));
  session_->SendEnd(1, std::nullopt);
  session_->TakeOutput(1 << 20);
  EXPECT_EQ(session_->stream_count(), 0u);
  // The client's next stream.
  EXPECT_EQ(Feed(Hello() + Frame(frame_type::kHeaders,
                                 frame_flag::kEndHeaders | frame_flag::kEndStream, 3, kGetBlock)),
            (std::vector<Event>{Event::kRequest, Event::kEnd}));
  EXPECT_EQ(session_->stream(), 3u);
}

TEST_F(TunnelSessionTest, BadSettingsOfAnUpgradeAreRefused) {
  for (const std::string& settings :
       {std::string("abc"), Setting(setting::kEnablePush, 2), Setting(setting::kMaxFrameSize, 1)}) {
    EXPECT_FALSE(Make(Role::kServer).BeginUpgraded(settings, now_));
  }
}

}  // namespace
}  // namespace meltemi::http2
