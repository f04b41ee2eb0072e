// Goal: a request that asks for another protocol becomes a tunnel exactly when configuration and
// upstream say so, and nothing sent after it is read as a message or passed on before. Method: the
// engine's door, virtual time.
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

class UpgradeTest : public EngineTest {
 protected:
  UpgradeTest() { manager().upgrades = {{"websocket", true}}; }

  static std::string Ask(std::string_view protocol = "websocket", std::string_view extra = "") {
    return Get("/chat", "Connection: Upgrade\r\nUpgrade: " + std::string(protocol) +
                            "\r\nSec-WebSocket-Key: k\r\n" + std::string(extra));
  }
  static std::string Switching(std::string_view extra = "") {
    return "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n"
           "sec-websocket-accept: a\r\n" +
           std::string(extra) + "\r\n";
  }
  // A tunnel; both sides have read what was said until then.
  void Open() {
    down_ = Accept();
    Send(down_, Ask());
    up_ = Connect();
    Take(up_);
    Send(up_, Switching());
    Take(down_);
  }

  ConnId down_, up_;
  std::unique_ptr<config::Snapshot> next_, gone_;
};

TEST_F(UpgradeTest, BecomesATunnel) {
  down_ = Accept();
  Send(down_, Ask());
  up_ = Connect();
  const std::string request = Take(up_);
  EXPECT_EQ(request.substr(0, 19), "GET /chat HTTP/1.1\r");
  EXPECT_EQ(HeaderOf(request, "connection"), "upgrade");
  EXPECT_EQ(HeaderOf(request, "upgrade"), "websocket");
  EXPECT_EQ(HeaderOf(request, "sec-websocket-key"), "k");
  Send(up_, Switching("content-length: 5\r\n") + "early");
  const std::string response = Take(down_);
  EXPECT_EQ(StatusOf(response), 101);
  EXPECT_EQ(HeaderOf(response, "connection"), "upgrade");
  EXPECT_EQ(HeaderOf(response, "upgrade"), "WebSocket");
  EXPECT_EQ(HeaderOf(response, "sec-websocket-accept"), "a");
  EXPECT_EQ(HeaderOf(response, "content-length"), "(none)");
  EXPECT_EQ(BodyOf(response), "early");
  // Whatever it looks like, it is no message.
  Send(down_, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Take(up_), "GET / HTTP/1.1\r\n\r\n");
  Send(up_, std::string("\x81\x00 HTTP/1.1 200 OK\r\n\r\n", 23));
  EXPECT_EQ(Take(down_), std::string("\x81\x00 HTTP/1.1 200 OK\r\n\r\n", 23));
  EXPECT_EQ(engine().counters().upgrades, 1u);
  EXPECT_EQ(engine().counters().requests, 1u);
  Eof(up_);
  Eof(down_);
  EXPECT_TRUE(At(up_).released);
  EXPECT_TRUE(At(down_).released);
  EXPECT_EQ(LastRecord(), "101 - via_upstream");
  EXPECT_EQ(engine().records().back().bytes_received, 18u);
  EXPECT_EQ(engine().records().back().bytes_sent, 28u);
}

TEST_F(UpgradeTest, NothingPassesBeforeTheAnswer) {
  down_ = Accept();
  Send(down_, Ask() + "frames");
  up_ = Connect();
  const std::string request = Take(up_);
  EXPECT_EQ(BodyOf(request), "");
  const uint64_t head = At(down_).consumed;
  Send(down_, " and more");
  EXPECT_EQ(Take(up_), "");
  EXPECT_EQ(At(down_).consumed, head);  // its window closes
  Send(up_, Switching());
  EXPECT_EQ(Take(up_), "frames and more");
  EXPECT_EQ(At(down_).consumed, head + 15);
}

// What waited may have been meant for the tunnel: it is never read as a request.
TEST_F(UpgradeTest, AnotherAnswerIsAResponseAndTheEnd) {
  down_ = Accept();
  Send(down_, Ask() + Get("/admin"));
  up_ = Connect();
  Take(up_);
  Send(up_, Ok("no thanks"));
  const std::string response = Take(down_);
  EXPECT_EQ(StatusOf(response), 200);
  EXPECT_EQ(HeaderOf(response, "connection"), "close");
  EXPECT_EQ(BodyOf(response), "no thanks");
  EXPECT_TRUE(At(down_).released);
  EXPECT_EQ(engine().counters().requests, 1u);
  EXPECT_EQ(Take(up_), "");
  EXPECT_FALSE(At(up_).dead());  // it has understood: the next request may use it
  EXPECT_EQ(engine().counters().upgrades, 0u);
}

TEST_F(UpgradeTest, WhatConfigurationDoesNotNameIsRefused) {
  using Upgrades = config::Upgrades;
  const struct {
    const char* name;
    const char* protocol;
    Upgrades manager, route;
    bool taken;
  } rows[] = {
      {"nobody names it", "websocket", {}, {}, false},
      {"the manager does", "WebSocket", {{"websocket", true}}, {}, true},
      {"the manager disables it", "websocket", {{"websocket", false}}, {}, false},
      {"the route does", "websocket", {}, {{"websocket", true}}, true},
      {"the route enables it", "websocket", {{"websocket", false}}, {{"websocket", true}}, true},
      {"the route disables it", "websocket", {{"websocket", true}}, {{"websocket", false}}, false},
      {"the route disables another", "websocket", {{"websocket", true}}, {{"x", false}}, true},
      {"another", "x", {{"websocket", true}}, {}, false},
      {"a list is not a name", "websocket, x", {{"websocket", true}}, {}, false},
      {"one line, not two", "x\r\nUpgrade: websocket", {{"websocket", true}}, {}, false},
      {"any name will do", "x", {{"websocket", true}, {"x", true}}, {}, true},
  };
  uint64_t refused = 0;
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    manager().upgrades = row.manager;
    forward().upgrades = row.route;
    const ConnId down = Accept();
    Send(down, Ask(row.protocol));
    if (row.taken) {
      Connect();
      EXPECT_EQ(Take(down), "");
      Closed(down);
      continue;
    }
    const std::string response = Take(down);
    EXPECT_EQ(StatusOf(response), 403);
    EXPECT_EQ(HeaderOf(response, "connection"), "close");
    EXPECT_TRUE(At(down).released);
    EXPECT_EQ(LastRecord(), "403 - upgrade_failed");
    EXPECT_EQ(engine().counters().upgrades_refused, ++refused);
  }
}

TEST_F(UpgradeTest, AnAnswerToSomethingElseIsAnError) {
  for (const char* answer : {"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
                             "HTTP/1.1 101 X\r\nconnection: upgrade\r\n\r\n",
                             "HTTP/1.1 101 X\r\nupgrade: websocket\r\n\r\n"}) {
    SCOPED_TRACE(answer);
    const ConnId down = Accept();
    Send(down, Ask());
    const ConnId up = Connect();
    Send(up, answer);
    EXPECT_EQ(StatusOf(Take(down)), 502);
    EXPECT_TRUE(At(up).aborted);
    EXPECT_TRUE(LastRecord().starts_with("502 UPE")) << LastRecord();
  }
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Switching());
  EXPECT_EQ(StatusOf(Take(down)), 502);  // nobody asked
}

// RFC 9110 7.8: the body comes first, in HTTP, and only then the other protocol.
TEST_F(UpgradeTest, TheBodyComesFirst) {
  const std::string ask =
      "POST /chat HTTP/1.1\r\nHost: backend\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
      "Content-Length: 5\r\n\r\n";
  down_ = Accept();
  Send(down_, ask + "helloframe");
  up_ = Connect();
  const std::string request = Take(up_);
  EXPECT_EQ(HeaderOf(request, "content-length"), "5");
  EXPECT_EQ(BodyOf(request), "hello");
  Send(up_, Switching());
  EXPECT_EQ(Take(up_), "frame");
  EXPECT_EQ(StatusOf(Take(down_)), 101);
  const ConnId down = Accept();
  Send(down, ask + "hel");
  const ConnId up = Connect();
  Send(up, Switching());
  EXPECT_EQ(StatusOf(Take(down)), 502);
  EXPECT_TRUE(At(up).aborted);
}

TEST_F(UpgradeTest, AFinGoesThroughAndTheOtherDirectionGoesOn) {
  Open();
  Send(down_, "last");
  Eof(down_);
  EXPECT_EQ(Take(up_), "last");
  EXPECT_TRUE(At(up_).finished);
  EXPECT_FALSE(At(down_).dead());
  Send(up_, "still here");
  EXPECT_EQ(Take(down_), "still here");
  Eof(up_);
  EXPECT_TRUE(At(down_).released);
  EXPECT_TRUE(At(up_).released);
  EXPECT_EQ(LastRecord(), "101 - via_upstream");
  Open();
  Eof(up_);
  EXPECT_TRUE(At(down_).finished);
  Send(down_, "still here");
  EXPECT_EQ(Take(up_), "still here");
}

TEST_F(UpgradeTest, AFinBeforeTheAnswerIsAClientThatHasGone) {
  down_ = Accept();
  Send(down_, Ask());
  up_ = Connect();
  Eof(down_);
  EXPECT_TRUE(At(up_).aborted);
  EXPECT_TRUE(At(down_).released);
  EXPECT_EQ(LastRecord(), "0 DC downstream_remote_disconnect");
}

TEST_F(UpgradeTest, ResetsGoThrough) {
  Open();
  Closed(up_);
  EXPECT_TRUE(At(down_).aborted);
  EXPECT_EQ(LastRecord(), "101 UC upstream_reset_after_response_started{connection_termination}");
  Open();
  Closed(down_);
  EXPECT_TRUE(At(up_).aborted);
  EXPECT_EQ(LastRecord(), "101 DC downstream_remote_disconnect");
}

TEST_F(UpgradeTest, ACutGoesThroughAsAResetAfterItsBytes) {
  Open();
  SendQueue(down_, false);
  Send(up_, "last");
  Eof(up_, Ending::kCut);
  EXPECT_FALSE(At(down_).dead());
  SendQueue(down_, true);
  EXPECT_EQ(Take(down_), "last");
  EXPECT_FALSE(At(down_).finished);
  EXPECT_TRUE(At(down_).reset);
  EXPECT_EQ(LastRecord(), "101 UC upstream_reset_after_response_started{connection_termination}");
  Open();
  Eof(down_, Ending::kCut);
  EXPECT_TRUE(At(up_).reset);
  EXPECT_EQ(LastRecord(), "101 DC downstream_remote_disconnect");
}

TEST_F(UpgradeTest, BytesWaitWhileTheOtherSideCannotTakeThem) {
  Open();
  SendQueue(down_, false);
  const uint64_t consumed = At(up_).consumed;
  Send(up_, "one");
  Send(up_, "two");
  Eof(up_);
  EXPECT_EQ(Take(down_), "");
  EXPECT_EQ(At(up_).consumed, consumed);
  EXPECT_FALSE(At(down_).finished);
  SendQueue(down_, true);
  EXPECT_EQ(Take(down_), "onetwo");
  EXPECT_EQ(At(up_).consumed, consumed + 6);
  EXPECT_TRUE(At(down_).finished);
  SendQueue(up_, false);
  Send(down_, "three");
  EXPECT_EQ(Take(up_), "");
  SendQueue(up_, true);
  EXPECT_EQ(Take(up_), "three");
}

// TCP has ended it in order while its last bytes still wait here.
TEST_F(UpgradeTest, LastBytesOfAFinishedConnectionAreDelivered) {
  Open();
  Eof(down_);
  SendQueue(down_, false);
  Send(up_, "last");
  Eof(up_);
  Closed(up_, CloseReason::kFinished);
  EXPECT_EQ(Take(down_), "");
  SendQueue(down_, true);
  EXPECT_EQ(Take(down_), "last");
  EXPECT_TRUE(At(down_).released);
  EXPECT_EQ(LastRecord(), "101 - via_upstream");
}

TEST_F(UpgradeTest, OnlyTheIdleTimeoutIsLeft) {
  forward().timeout = Duration::Seconds(15);
  retry().per_try_timeout = Duration::Seconds(5);
  manager().stream_idle_timeout = Duration::Seconds(60);
  manager().request_timeout = Duration::Seconds(10);
  Open();
  Advance(Duration::Seconds(59));
  Send(down_, "x");
  Advance(Duration::Seconds(59));
  Send(up_, "x");
  Advance(Duration::Seconds(59));
  EXPECT_FALSE(At(down_).dead());
  Advance(Duration::Millis(1001));
  EXPECT_TRUE(At(down_).released);
  EXPECT_TRUE(At(up_).released);
  EXPECT_EQ(LastRecord(), "101 SI stream_idle_timeout");
}

TEST_F(UpgradeTest, TheRoutesTimeoutHoldsUntilTheAnswer) {
  down_ = Accept();
  Send(down_, Ask());
  up_ = Connect();
  Advance(Duration::Millis(15'001));
  EXPECT_EQ(StatusOf(Take(down_)), 504);
  EXPECT_TRUE(At(down_).released);
}

TEST_F(UpgradeTest, IsRetriedBeforeTheAnswerOnly) {
  retry().on = config::RetryPolicy::k5xx;
  down_ = Accept();
  Send(down_, Ask() + "frames");
  const ConnId first = Connect();
  Send(first, Status(503));
  Advance(Duration::Millis(25));
  up_ = first;  // the answer was complete: its connection is used again
  EXPECT_TRUE(Take(up_).find("upgrade: websocket") != std::string::npos);
  Send(up_, Switching());
  EXPECT_EQ(StatusOf(Take(down_)), 101);
  EXPECT_EQ(Take(up_), "frames");
  Closed(up_);
  EXPECT_TRUE(At(down_).aborted);
}

TEST_F(UpgradeTest, GoesOnWithANewConfigurationAndWithoutItsListener) {
  Open();
  next_ = MakeSnapshot(2, 1);
  gone_ = MakeSnapshot(3, 1);
  gone_->listeners.erase(gone_->listeners.begin());
  Use(next_.get());
  Use(gone_.get());
  engine().Drain(now_);
  Run();
  Send(down_, "x");
  EXPECT_EQ(Take(up_), "x");
  EXPECT_EQ(engine().oldest_snapshot(), 1u);
  Eof(up_);
  Eof(down_);
  EXPECT_EQ(engine().oldest_snapshot(), 3u);
}

TEST_F(UpgradeTest, LimitsAndMirrorsOfRequestsHold) {
  cluster().breaker.requests_max = 1;
  forward().mirrors.emplace_back().target = Target();
  Open();
  EXPECT_EQ(engine().counters().mirrors_sent, 0u);
  const ConnId second = Accept();
  Send(second, Ask());
  EXPECT_EQ(StatusOf(Take(second)), 503);
  Eof(up_);
  Eof(down_);
  const ConnId third = Accept();
  Send(third, Ask());
  Connect();
}

}  // namespace
}  // namespace meltemi::engine
