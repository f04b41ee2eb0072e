// Goal: Upgrade: h2c (RFC 7540 3.2) makes an HTTP/2 connection of one that began as HTTP/1.1, whose
// first stream is the request. Method: the offer by hand, nghttp2's client from then on.
#include <gmock/gmock.h>

#include <string>

#include "l7/engine/http2_fixture.h"

namespace meltemi::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kSwitching[] =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n";

class H2cTest : public Http2Test {
 protected:
  static std::string Offer(std::string_view settings = "AAMAAABkAAQAAP__",
                           std::string_view request = "GET /x HTTP/1.1\r\n",
                           std::string_view more = "") {
    return std::string(request) + "Host: backend\r\nConnection: Upgrade, HTTP2-Settings\r\n" +
           "Upgrade: h2c\r\nHTTP2-Settings: " + std::string(settings) + "\r\n" + std::string(more) +
           "\r\n";
  }
  // As a client that has read the 101.
  End Switch(ConnId down) {
    const std::string answer = Take(down);
    EXPECT_THAT(answer, StartsWith(kSwitching));
    End end{.id = down, .peer = std::make_unique<Peer>(Peer::Side::kClient)};
    const uint8_t settings[] = {0, 3, 0, 0, 0, 100, 0, 4, 0, 0, 255, 255};
    EXPECT_EQ(nghttp2_session_upgrade2(end.peer->session(), settings, sizeof settings, 0, nullptr),
              0);
    EXPECT_TRUE(end.peer->Input(answer.substr(sizeof kSwitching - 1)));
    Talk(end);
    return end;
  }

  ConnId up_;
};

TEST_F(H2cTest, TheRequestIsTheFirstStream) {
  const ConnId down = Accept();
  Send(down, Offer());
  const ConnId up = Connect();
  const std::string request = Take(up);
  EXPECT_THAT(request, StartsWith("GET /x HTTP/1.1\r\nhost: backend\r\n"));
  EXPECT_EQ(HeaderOf(request, "upgrade"), "(none)");
  EXPECT_EQ(HeaderOf(request, "connection"), "(none)");
  EXPECT_EQ(HeaderOf(request, "http2-settings"), "(none)");
  End client = Switch(down);
  Send(up, Ok("hello"));
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(1).headers), "200");
  EXPECT_EQ(client.peer->stream(1).body, "hello");
  EXPECT_TRUE(client.peer->stream(1).ended);
  EXPECT_EQ(engine().records().back().protocol, telemetry::Protocol::kHttp2);
  EXPECT_EQ(engine().counters().http2_upgraded, 1u);
  const int32_t next = client.peer->Request(kGet);
  EXPECT_EQ(next, 3);
  Talk(client);
  Send(up, Ok("again"));
  Talk(client);
  EXPECT_EQ(client.peer->stream(3).body, "again");
}

TEST_F(H2cTest, AnAnswerMayComeBeforeTheClientsPreface) {
  const ConnId down = Accept();
  Send(down, Offer());
  const ConnId up = Connect();
  Send(up, Ok("early"));
  End client = Switch(down);
  EXPECT_EQ(client.peer->stream(1).body, "early");
}

TEST_F(H2cTest, ItsSettingsHoldFromTheStart) {
  const ConnId down = Accept();
  Send(down, Offer("AAQAAAAC"));  // INITIAL_WINDOW_SIZE 2
  const ConnId up = Connect();
  Send(up, Ok("hello"));
  const std::string said = Take(down);
  EXPECT_THAT(said, HasSubstr("he"));
  EXPECT_THAT(said, Not(HasSubstr("hello")));
}

TEST_F(H2cTest, BadSettingsAreRefused) {
  const ConnId down = Accept();
  Send(down, Offer("!"));
  EXPECT_EQ(StatusOf(Take(down)), 400);
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(LastRecord(), "400 DPE http1.invalid_http2_settings");
  // Of a right form, with a value that no SETTINGS may have: the connection has become HTTP/2.
  const ConnId other = Accept();
  Send(other, Offer("AAIAAAAC"));  // ENABLE_PUSH 2
  const std::string answer = Take(other);
  EXPECT_THAT(answer, StartsWith(kSwitching));
  EXPECT_TRUE(At(other).released);
  EXPECT_EQ(engine().counters().http2_connection_errors, 1u);
}

// Goal: where the offer cannot be taken it is as if it had not been made. Method: rows, each
// answered by HTTP/1.1.
TEST_F(H2cTest, OtherwiseItIsIgnored) {
  const auto plain = [&](ConnId down, const std::string& request) {
    Send(down, request);
    const ConnId up = connecting_.empty() ? ConnId{} : Connect();
    if (up.valid()) up_ = up;
    EXPECT_THAT(Take(up_), Not(HasSubstr("h2c")));
    Send(up_, Ok("x"));
    EXPECT_THAT(Take(down), StartsWith("HTTP/1.1 200"));
  };
  plain(Accept(), Offer("", "POST /x HTTP/1.1\r\n", "Content-Length: 1\r\n") + "b");
  plain(AcceptTls("http/1.1"), Offer());
  plain(Accept(), Offer("", "GET /x HTTP/1.1\r\n", "HTTP2-Settings: AAMAAABk\r\n"));  // twice
  manager().codec = config::HttpCodec::kHttp1;
  plain(Accept(), Offer());
  EXPECT_EQ(engine().counters().http2_upgraded, 0u);
}

TEST_F(H2cTest, ALaterRequestMayOfferIt) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("one"));
  Take(down);
  Send(down, Offer());
  Send(up, Ok("two"));
  End client = Switch(down);
  EXPECT_EQ(client.peer->stream(1).body, "two");
}

TEST_F(H2cTest, HeadHasNoBody) {
  const ConnId down = Accept();
  Send(down, Offer("", "HEAD /x HTTP/1.1\r\n"));
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
  const std::string said = Take(down);
  EXPECT_THAT(said, StartsWith(kSwitching));
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
}

}  // namespace
}  // namespace meltemi::engine
